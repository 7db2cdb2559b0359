"""winnow.llm_grader against a real HTTP server on this machine that is slow, cuts off, limits its rate, answers nonsense
or far too much. What the server does with a question stands in the question's prompt."""
import base64
import collections
import http.server
import json
import os
import socket
import struct
import threading
import time
import unittest

from winnow_cli import CliTest

ASPECTS = ["accuracy_to_prompt", "creativity_and_originality", "visual_quality_and_realism", "consistency_and_cohesion",
           "emotional_or_thematic_resonance"]
RUN = """\
[run]
name = "graded"
seed = 1
[budget]
nfe = 48
[tasks]
prompts = {prompts}
[execution]
isolate = "none"
[sampler]
plugin = "winnow.toy.sampler"
[[verifier]]
plugin = "winnow.llm_grader"
url = "http://127.0.0.1:{port}/v1/chat/completions"
model = "grader"
key_env = "GRADER_KEY"
pause = 0.01
timeout = 30.0
patience = 60.0
cache = "answers"
price_in = 2.0
price_out = 8.0
[search]
plugin = "winnow.random"
"""


def completion(content, **more):
    return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop", **more}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 50}}


def grades(png, **changed):
    """Grades that follow from the picture, so that the best of the run is known."""
    value = sum(png) % 101
    return {"reasons": "because", **{aspect: value for aspect in ASPECTS}, **changed}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.asked = collections.Counter()  # how often, by the body
        self.bodies = []
        self.headers = []
        self.under_way = self.most_under_way = 0
        self.down = False

    def handle_error(self, request, client_address):
        pass  # clients that go away are what the tests want


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        with server.lock:
            server.asked[body] += 1
            tries = server.asked[body]
            server.headers.append(dict(self.headers))
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
        try:
            question = json.loads(body)
            server.bodies.append(question)
            text, picture = question["messages"][1]["content"]
            png = base64.b64decode(picture["image_url"]["url"].removeprefix("data:image/png;base64,"))
            prompt = text["text"].removeprefix("The prompt: ")
            getattr(self, prompt.replace(" ", "_"), self.fine)(png, tries)
        finally:
            with server.lock:
                server.under_way -= 1

    def reply(self, status, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def fine(self, png, tries):
        time.sleep(0.02)
        if self.server.down:
            return self.reply(503, {"error": "down for now"})
        self.reply(200, completion(json.dumps(grades(png))))

    def paired(self, png, tries):
        deadline = time.monotonic() + 20
        while self.server.most_under_way < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        self.fine(png, tries)

    def slow(self, png, tries):
        if tries == 1:
            time.sleep(1.5)
        self.fine(png, tries)

    def cut_off(self, png, tries):
        if tries > 1:
            return self.fine(png, tries)
        self.send_response(200)
        self.send_header("Content-Length", "10000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def limited(self, png, tries):
        now = time.monotonic()
        with self.server.lock:
            first = self.server.__dict__.setdefault("first_limited", {}).setdefault(png, now)
        if tries == 1:
            return self.reply(429, {"error": "too fast"}, Retry_After="1")
        self.server.__dict__.setdefault("waited", []).append(now - first)
        self.fine(png, tries)

    def malformed(self, png, tries):
        self.reply(200, b"<html>I am a proxy</html>")

    def malformed_once(self, png, tries):
        return self.malformed(png, tries) if tries == 1 else self.fine(png, tries)

    def prose(self, png, tries):
        self.reply(200, completion("A lovely picture, nine out of ten."))

    def out_of_range(self, png, tries):
        self.reply(200, completion(json.dumps(grades(png, visual_quality_and_realism=101))))

    def one_short(self, png, tries):
        short = grades(png)
        del short["consistency_and_cohesion"]
        self.reply(200, completion(json.dumps(short)))

    def too_long(self, png, tries):
        self.reply(200, completion('{"reasons": "it is', finish_reason="length"))

    def huge(self, png, tries):
        self.send_response(200)
        self.end_headers()
        for _ in range(64):
            self.wfile.write(b"[" * (1 << 20))

    def locked(self, png, tries):
        self.reply(401, {"error": {"message": "no such key"}})

    def bad_request(self, png, tries):
        self.reply(400, {"error": {"message": "the picture shows a cat"}})


class LlmGrader(CliTest):
    def setUp(self):
        super().setUp()
        self.environment["GRADER_KEY"] = "secret-key"
        self.server = Server()
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def configure(self, *prompts, port=None, **changed):
        text = RUN.format(prompts=json.dumps(list(prompts)), port=port or self.server.server_port)
        for key, value in changed.items():
            text = "\n".join(line for line in text.splitlines() if not line.startswith(f"{key} ="))
            text = text.replace('model = "grader"', f'model = "grader"\n{key} = {json.dumps(value)}')
        return self.write("run.toml", text + "\n")

    def summary(self, run="runs/graded"):
        return json.loads((self.folder / run / "summary.json").read_text())

    def failed(self):
        return self.summary()["ledger"]["failed_candidates"]

    def test_a_run_is_graded_and_the_best_wins(self):
        self.configure("fine")
        run = self.json("run", "run.toml")
        task = self.summary()["tasks"][0]
        # The server's grades follow from the pictures that it saw.
        seen = []
        for question in self.server.bodies:
            url = question["messages"][1]["content"][1]["image_url"]["url"]
            seen.append(sum(base64.b64decode(url.partition(",")[2])) % 101)
        self.assertEqual(task["scores"]["llm_grader"], max(seen))
        self.assertEqual(run["ledger"]["verifier_calls"]["llm_grader"], len(seen))
        self.assertEqual(self.failed(), 0)

    def test_the_pictures_of_a_finished_run_are_graded_later(self):
        text = self.configure("fine").read_text()
        grader = text[text.index("[[verifier]]"):text.index("[search]")]
        self.write("run.toml", text.replace(grader, '[[verifier]]\nplugin = "winnow.brightness"\n'))
        self.done("run", "run.toml")
        self.assertEqual(sum(self.server.asked.values()), 0)
        self.done("rescore", "runs/graded", f"url=http://127.0.0.1:{self.server.server_port}/v1/chat/completions", "model=grader",
                  "key_env=GRADER_KEY", "--verifier", "winnow.llm_grader", "--out", "grades.csv")
        self.assertGreater(len((self.folder / "grades.csv").read_text().splitlines()), 1)
        self.assertGreater(sum(self.server.asked.values()), 0)

    def test_the_question_is_strict_and_carries_the_key(self):
        self.configure("fine")
        self.done("run", "run.toml")
        question = self.server.bodies[0]
        schema = question["response_format"]["json_schema"]
        self.assertTrue(schema["strict"])
        self.assertEqual(schema["schema"]["required"], ["reasons", *ASPECTS])
        self.assertFalse(schema["schema"]["additionalProperties"])
        self.assertEqual((question["model"], question["temperature"]), ("grader", 0))
        png = base64.b64decode(question["messages"][1]["content"][1]["image_url"]["url"].partition(",")[2])
        self.assertTrue(png.startswith(b"\x89PNG"))
        width, height = struct.unpack(">II", png[16:24])
        self.assertGreaterEqual(min(width, height), 256)
        self.assertTrue(all(sent["Authorization"] == "Bearer secret-key" for sent in self.server.headers))
        for path in (self.folder / "runs").rglob("*"):
            if path.is_file():
                self.assertNotIn(b"secret-key", path.read_bytes(), path)

    def test_aspects_tokens_and_cost_are_further_heads(self):
        self.configure("fine")
        self.done("run", "run.toml")
        heads = self.summary()["tasks"][0]["heads"]["llm_grader"]
        self.assertEqual(heads[6:8], [1000, 50])
        self.assertAlmostEqual(heads[8], (1000 * 2.0 + 50 * 8.0) / 1e6, places=6)
        self.assertEqual(heads[0], sum(heads[1:6]) / 5)

    def test_no_more_questions_at_a_time_than_wanted(self):
        self.configure("paired", concurrency=2)
        self.done("run", "run.toml")
        self.assertEqual(self.server.most_under_way, 2)

    def test_nothing_is_asked_twice(self):
        self.configure("fine")
        self.done("run", "run.toml", "--out", "first")
        asked = sum(self.server.asked.values())
        self.assertEqual(max(self.server.asked.values()), 1)
        self.done("run", "run.toml", "--out", "second")
        self.assertEqual(sum(self.server.asked.values()), asked)
        self.assertEqual(self.summary("first")["tasks"], self.summary("second")["tasks"])
        # A damaged answer is asked for again, and that one alone.
        damaged = sorted((self.folder / "answers").iterdir())[0]
        damaged.write_text("{")
        self.done("run", "run.toml", "--out", "third")
        self.assertEqual(sum(self.server.asked.values()), asked + 1)
        self.done("run", "run.toml", "--out", "fourth", "verifier.0.cache=none")
        self.assertEqual(sum(self.server.asked.values()), 2 * asked + 1)

    def test_what_passes_is_waited_for(self):
        self.configure("slow", "cut off", "limited", "malformed once", timeout=1.0, attempts=10)
        self.done("run", "run.toml", "budget.nfe=16")
        self.assertEqual(self.failed(), 0)
        self.assertGreaterEqual(min(self.server.asked.values()), 2)
        self.assertGreater(min(self.server.waited), 0.95)  # Retry-After: 1

    def test_answers_that_are_no_grades_fail_their_items_alone(self):
        said = {"malformed": "is no JSON object", "prose": "what the model wrote is no JSON object",
                "out of range": '"visual_quality_and_realism" is 101, expected a number from 0 to 100',
                "one short": 'the grades have no "consistency_and_cohesion"', "too long": "cut off at max_tokens",
                "huge": "more than 1048576 bytes", "bad request": "the picture shows a cat"}
        self.configure(*said, "fine")
        self.winnow("run", "run.toml", "budget.nfe=8")
        tasks = self.summary()["tasks"]
        for task, (prompt, text) in zip(tasks, said.items()):
            self.assertIn(json.dumps(text)[1:-1], json.dumps(task), prompt)
        self.assertIsNotNone(tasks[-1]["best"])
        self.assertTrue(all(task.get("best") is None for task in tasks[:-1]), tasks)
        asked = {json.loads(body)["messages"][1]["content"][0]["text"]: count
                 for body, count in self.server.asked.items()}
        self.assertEqual(asked["The prompt: prose"], 3)  # attempts
        self.assertEqual(asked["The prompt: huge"], 1)
        self.assertEqual(asked["The prompt: bad request"], 1)

    def test_an_endpoint_that_is_down_stops_the_run_which_then_goes_on(self):
        self.server.down = True
        self.configure("fine", patience=0.5)
        done = self.refused(3, "run", "run.toml", says=["waiting for http://127.0.0.1", "no answer for 1 s", "status 503",
                                                        "goes on"])
        self.assertNotIn("secret-key", done.stderr)
        self.server.down = False
        self.done("run", "run.toml")
        self.assertEqual(self.failed(), 0)

    def test_an_endpoint_that_is_not_there_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.configure("fine", port=taken.getsockname()[1], patience=0.2)
            self.refused(3, "run", "run.toml", says=["Failed to connect", "goes on"])

    def test_a_key_that_is_not_accepted_stops_at_once(self):
        self.configure("locked")
        started = time.monotonic()
        self.refused(3, "run", "run.toml", says=["status 401", "no such key"])
        self.assertLess(time.monotonic() - started, 50)

    def test_bad_settings_are_refused_before_anything_is_asked(self):
        self.configure("fine", key_env="NOT_SET")
        self.refused(2, "run", "run.toml", says=["the environment has no NOT_SET"])
        self.configure("fine", url="http://example.org/v1/chat/completions")
        self.refused(2, "run", "run.toml", says=["would show the key to everyone"])
        self.configure("fine", url="http://localhost.example.org/v1")
        self.refused(2, "run", "run.toml", says=["would show the key to everyone"])
        self.configure("fine", url="ftp://example.org")
        self.refused(2, "run", "run.toml", says=["expected one that begins with https://"])
        self.configure("fine", cache="run.toml/answers")
        self.refused(3, "run", "run.toml", says=["run.toml/answers", "cache"])
        self.assertEqual(self.server.asked, {})

    def test_a_run_stops_while_it_waits(self):
        self.server.down = True
        self.configure("fine", patience=600.0)
        child = self.start("run", "run.toml")
        deadline = time.monotonic() + 60
        while not self.server.asked and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(child.pid, 2)
        child.communicate(timeout=30)
        self.assertNotEqual(child.returncode, 0)


if __name__ == "__main__":
    unittest.main()
