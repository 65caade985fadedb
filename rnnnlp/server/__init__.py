"""The local web page and its HTTP interface: `serve`, behind the extra `web`.

settings.py        the options of the server, and what it refuses to start with
catalogue.py       the models in the run folders: found, opened, opened again when they change
batching.py        texts of requests that arrive together are classified together
schemas.py         what requests and answers look like
protocol.py        how much of a request may come before its body
gate.py            what a request must pass before anything reads it: host, origin, token, size, time
json_routes.py     requests with a JSON body: checked, answered, and what is refused
classify.py        POST /v1/predict
generate.py        POST /v1/generate
inspect_models.py  POST /v1/inspect and /v1/unroll, and the runs that the page shows
counters.py        GET /metrics
app.py             the routes together
run.py             starts and stops the server
page/              the page: HTML, CSS and JavaScript modules, without a build step
"""
