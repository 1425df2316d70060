-- Asks with each line of a file in turn: "access token", then after a blank the queue token, if any.
local lines = {}
local at = 0
local pause_ms = 0

function init(args)
    local method, path, file = args[1], args[2], args[4]
    pause_ms = tonumber(args[3])
    if file then
        for line in io.lines(file) do
            local access, token = line:match("^(%S+) ?(%S*)$")
            local headers = { ["Authorization"] = "Bearer " .. access }
            if token ~= "" then headers["X-Queue-Token"] = token end
            if method == "POST" then headers["Content-Type"] = "application/json" end
            lines[#lines + 1] = wrk.format(method, path, headers, method == "POST" and "{}" or nil)
        end
    else
        lines[1] = wrk.format(method, path, {})
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
