-- Asks with each line of a file in turn. A line has, between tabs: an access token, a queue token, an
-- Idempotency-Key, a path and a body; what is empty or missing is the default or left out.
local lines = {}
local at = 0
local pause_ms = 0

local function split(line)
    local fields = {}
    for field in (line .. "\t"):gmatch("([^\t]*)\t") do fields[#fields + 1] = field end
    return fields
end

local function present(text) return text and text ~= "" and text or nil end

function init(args)
    local method, path, file = args[1], args[2], args[4]
    pause_ms = tonumber(args[3])
    if not file then
        lines[1] = wrk.format(method, path, {})
        return
    end
    for line in io.lines(file) do
        local access, token, key, own_path, body = unpack(split(line))
        local headers = { ["Authorization"] = "Bearer " .. access }
        headers["X-Queue-Token"] = present(token)
        headers["Idempotency-Key"] = present(key)
        headers["If-None-Match"] = os.getenv("IF_NONE_MATCH")
        if method == "POST" then headers["Content-Type"] = "application/json" end
        body = present(body) or (method == "POST" and "{}" or nil)
        lines[#lines + 1] = wrk.format(method, present(own_path) or path, headers, body)
    end
end

-- wrk asks for a pause before each request where there is this function; a pause of 0 costs nothing.
-- It varies, so that those who began together do not go on together.
function delay()
    return pause_ms > 0 and math.random(math.floor(pause_ms / 2), math.floor(pause_ms * 3 / 2)) or 0
end

function request()
    at = at % #lines + 1
    return lines[at]
end

-- What the caller reads: one line of figures, times in microseconds.
function done(summary, latency, requests)
    local errors = summary.errors
    print(string.format("figures %d %d %d %d %d",
        summary.requests, summary.duration,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
