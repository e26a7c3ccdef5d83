-- POSTs the lines of the file WEFT_BODIES to the path, one after the other; tells what came as JSON.
local asked, place = {}, 0

function init(arguments)
  local headers = {["Content-Type"] = "application/json"}
  for body in io.lines(os.getenv("WEFT_BODIES")) do
    asked[#asked + 1] = wrk.format("POST", wrk.path, headers, body)
  end
end

function request()
  place = place % #asked + 1
  return asked[place]
end

function done(summary, latency, requests)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.3f, "errors": %d, "p50": %.2f, "p99": %.2f}\n',
    summary.requests, summary.duration / 1e6, bad,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
