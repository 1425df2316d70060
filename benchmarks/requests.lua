-- Asks with each line of a file in turn. A line has, between tabs: an access token, a queue token, an
-- Idempotency-Key, a path and a body; what is empty or missing is the default or left out.
-- Arguments: method, path, pause in milliseconds, file, `once` where no line may be used twice, `count`
-- where the answers' statuses are to be counted, and further headers of each request.
local lines = {}
local at = 0
local pause_ms = 0
local once = false
local threads = {}
-- Global, so that `done` can ask the thread for them.
started_s = 0
used_up = 0
statuses = {}

local function split(line)
    local fields = {}
    for field in (line .. "\t"):gmatch("([^\t]*)\t") do fields[#fields + 1] = field end
    return fields
end

local function present(text) return text and text ~= "" and text or nil end

local function copy(headers)
    local copied = {}
    for name, value in pairs(headers) do copied[name] = value end
    return copied
end

-- Counting makes wrk read the headers of every answer, so there is no `response` unless it is asked for.
local function count(status) statuses[status] = (statuses[status] or 0) + 1 end

function setup(thread) threads[#threads + 1] = thread end

function init(args)
    local method, path, file = args[1], args[2], present(args[4])
    pause_ms = tonumber(args[3])
    once = args[5] == "once"
    if args[6] == "count" then response = count end
    local all = {}
    for i = 7, #args do
        local name, value = args[i]:match("^([^:]+): (.*)$")
        all[name] = value
    end
    if not file then
        lines[1] = wrk.format(method, path, all)
    else
        for line in io.lines(file) do
            local access, token, key, own_path, body = unpack(split(line))
            local headers = copy(all)
            headers["Authorization"] = "Bearer " .. access
            headers["X-Queue-Token"] = present(token)
            headers["Idempotency-Key"] = present(key)
            if method == "POST" then headers["Content-Type"] = "application/json" end
            body = present(body) or (method == "POST" and "{}" or nil)
            lines[#lines + 1] = wrk.format(method, present(own_path) or path, headers, body)
        end
    end
    started_s = os.clock()
end

-- wrk asks for a pause before each request where there is this function; a pause of 0 costs nothing.
-- It varies, so that those who began together do not go on together.
function delay()
    return pause_ms > 0 and math.random(math.floor(pause_ms / 2), math.floor(pause_ms * 3 / 2)) or 0
end

function request()
    if once and at == #lines then used_up = 1 end
    at = at % #lines + 1
    return lines[at]
end

-- What the caller reads: a line of figures, and one for each status. Times in microseconds; that of the
-- processor is wrk's own, since the lines were read.
function done(summary, latency, requests)
    local errors, thread = summary.errors, threads[1]
    local figures = {
        requests = summary.requests, duration_us = summary.duration, bytes = summary.bytes,
        refused = errors.status,
        broken = errors.connect + errors.read + errors.write + errors.timeout,
        p50_us = latency:percentile(50), p99_us = latency:percentile(99),
        used_up = thread:get("used_up"),
        processor_us = (os.clock() - thread:get("started_s")) * 1e6,
    }
    local words = {}
    for name, value in pairs(figures) do
        words[#words + 1] = string.format("%s=%d", name, value)
    end
    print("figures " .. table.concat(words, " "))
    for status, times in pairs(thread:get("statuses")) do
        print(string.format("status %d %d", status, times))
    end
end
