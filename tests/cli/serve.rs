//! The `serve` command and `train --serve`: what the server answers, what it refuses, and how it ends.
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use lenet_gpu::model::weights;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::predict::{TRAINED, lines, photos, predict};

/// A server in a process of its own, which is killed when this is dropped.
struct Served {
    child: Child,
    address: String,
}

/// An answer, with its head as text.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Served {
    /// Starts a command in a folder, and waits for the line with the page's address.
    fn start(args: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.args(args).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let is_serve = args[0] == "serve";
        let output: Box<dyn Read + Send> = match is_serve {
            true => Box::new(child.stdout.take().unwrap()),
            false => Box::new(child.stderr.take().unwrap()),
        };
        let mut lines = BufReader::new(output).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.split_once("http://")?;
            Some(address.trim_end_matches('/').to_owned())
        });
        let address = address.expect("the page's address is printed");
        // Otherwise a full pipe would stop the process.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// The trained model, at any free port.
    fn trained(folder: &Path) -> Self {
        let model = TRAINED.1.to_str().unwrap();
        Self::start(&["serve", model, "--backend", "cpu", "--port", "0", "--quiet"], folder)
    }

    /// Sends bytes, and returns the answer.
    fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer to {:?}", String::from_utf8_lossy(bytes)));
        let body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body }
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let host = &self.address;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        self.raw(&[head.as_bytes(), body].concat())
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"")
    }

    fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.send("POST", path, "", body)
    }

    /// Sends what Ctrl-C sends, and returns the exit code.
    #[cfg(unix)]
    fn interrupt(mut self) -> Option<i32> {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn photo(name: &str) -> Vec<u8> {
    fs::read(photos().join(name)).unwrap()
}

/// The names of the photographs, each with its digit.
fn photo_names() -> Vec<(String, String)> {
    let entries =
        fs::read_dir(photos()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<(String, String)> = entries
        .filter_map(|name| Some((name.clone(), name.strip_suffix(".jpg")?.chars().last()?.to_string())))
        .collect();
    names.sort();
    names
}

#[test]
fn an_image_is_read_as_predict_reads_it() {
    let folder = tempdir().unwrap();
    let server = Served::trained(folder.path());
    for (name, _) in photo_names().iter().step_by(7) {
        let expected = &lines(predict(&TRAINED.1).arg(photos().join(name)).args(["--top", "10"]))[0];
        let plain = server.post("/api/predict", &photo(name)).json();
        let detailed = server.post("/api/predict?detail=true", &photo(name)).json();
        assert_eq!(plain["number"], expected["class"], "{name}");
        assert_eq!(plain["is_sure"], expected["sure"], "{name}");
        for answer in [&plain, &detailed] {
            let reading = &answer["readings"][0];
            for field in ["label", "class", "probability", "confidence"] {
                assert_eq!(reading[field], expected["digits"][0][field], "{name}: {field}");
            }
            for ranked in expected["digits"][0]["top"].as_array().unwrap() {
                let label = ranked["label"].as_u64().unwrap() as usize;
                assert_eq!(reading["probabilities"][label], ranked["probability"], "{name}: {label}");
            }
        }
        assert_eq!(plain["readings"][0]["layers"], json!([]));
        let layers: Vec<_> = detailed["readings"][0]["layers"].as_array().unwrap().iter().collect();
        let names: Vec<_> = layers.iter().map(|layer| layer["layer"].as_str().unwrap()).collect();
        assert_eq!(names, ["conv1", "pool1", "conv2", "pool2", "fc1", "fc2", "log_softmax"]);
        for layer in layers {
            let count: u64 =
                layer["shape"].as_array().unwrap().iter().map(|side| side.as_u64().unwrap()).product();
            assert_eq!(layer["values"].as_str().unwrap().len() as u64, 4 * count.div_ceil(3), "{layer}");
        }
    }
    let blank = image::GrayImage::from_pixel(280, 280, image::Luma([255]));
    let mut png = std::io::Cursor::new(Vec::new());
    blank.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let nothing = server.post("/api/predict", &png.into_inner()).json();
    assert_eq!((&nothing["number"], &nothing["readings"]), (&json!(""), &json!([])));
    assert!(nothing["reason"].as_str().unwrap().contains("no digit"), "{nothing}");
}

#[test]
fn the_pages_and_their_files_are_confined() {
    let folder = tempdir().unwrap();
    let server = Served::trained(folder.path());
    let page = server.get("/");
    assert_eq!(page.status, 200);
    for header in [
        "content-type: text/html",
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(page.head.contains(header), "{header} is missing in {}", page.head);
    }
    let html = String::from_utf8(page.body).unwrap();
    let assets: Vec<&str> = html.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(!assets.is_empty());
    for asset in assets {
        assert_eq!(server.get(asset).status, 200, "{asset}");
    }
    for inline in ["<script>", " onclick=", " style="] {
        assert!(!html.contains(inline), "{inline}");
    }
    for path in [
        "/assets/",
        "/assets/../Cargo.toml",
        "/assets/..%2fCargo.toml",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/../etc/passwd",
        "/assets/%00",
        "/assets/%ff",
        "//etc/passwd",
        "/assets/index.html",
        "/index.html",
        "/.git/config",
        "/live",
        "/api/run",
        "/api/events",
        "/api",
        "/api/nothing",
    ] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert_eq!(server.get("/draw").status, 200);
}

#[test]
fn malformed_requests_are_answered_with_4xx_and_do_no_harm() {
    let folder = tempdir().unwrap();
    let server = Served::trained(folder.path());
    let host = "Host: localhost\r\nConnection: close\r\n";
    let post = |path: &str, rest: &str| format!("POST {path} HTTP/1.1\r\n{host}{rest}").into_bytes();
    let png = photo(&photo_names()[0].0);
    let damaged = {
        let mut sent = post("/api/predict", "Content-Length: 200\r\n\r\n");
        sent.extend_from_slice(&png[..200]);
        sent
    };
    let cases: Vec<(Vec<u8>, &[u16])> = vec![
        (b"garbage\r\n\r\n".to_vec(), &[400]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), &[400]),
        (format!("GET /\0 HTTP/1.1\r\n{host}\r\n").into_bytes(), &[400]),
        (format!("GET / HTTP/1.1\r\n{host}Host: localhost\r\n\r\n").into_bytes(), &[400]),
        (format!("GET / HTTP/1.1\r\n{host}bad header\r\n\r\n").into_bytes(), &[400]),
        (format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(20_000)).into_bytes(), &[414, 431]),
        (format!("GET / HTTP/1.1\r\n{host}{}\r\n", "X: y\r\n".repeat(200)).into_bytes(), &[431]),
        (format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "y".repeat(40_000)).into_bytes(), &[431]),
        (format!("GET /nothing HTTP/1.1\r\n{host}\r\n").into_bytes(), &[404]),
        (format!("DELETE /api/status HTTP/1.1\r\n{host}\r\n").into_bytes(), &[405]),
        (format!("GET /api/predict HTTP/1.1\r\n{host}\r\n").into_bytes(), &[405]),
        (format!("OPTIONS /api/predict HTTP/1.1\r\n{host}\r\n").into_bytes(), &[405]),
        (post("/api/predict", "Content-Length: x\r\n\r\n"), &[400]),
        (post("/api/predict", "Content-Length: -1\r\n\r\n"), &[400]),
        (post("/api/predict", "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), &[400]),
        (post("/api/predict", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), &[400]),
        (post("/api/predict", "Content-Length: 0\r\n\r\n"), &[400]),
        (post("/api/predict", "Content-Length: 5\r\n\r\nhello"), &[415]),
        (post("/api/predict", "Content-Type: text/html\r\nContent-Length: 5\r\n\r\nhello"), &[415]),
        (damaged, &[422]),
        (post("/api/predict?detail=perhaps", "Content-Length: 5\r\n\r\nhello"), &[400]),
        (post("/api/predict", "Content-Length: 99999999999\r\n\r\n"), &[413]),
        (post("/api/corrections", "Content-Length: 5\r\n\r\nhello"), &[400]),
        (post("/api/corrections?label=x", "Content-Length: 5\r\n\r\nhello"), &[422]),
        (post("/api/corrections?label=..%2f..", "Content-Length: 5\r\n\r\nhello"), &[422]),
        (post("/api/corrections?label=7", "Content-Length: 5\r\n\r\nhello"), &[415]),
        (post("/api/model", "Content-Length: 5\r\n\r\nhello"), &[400]),
        (post("/api/model", "Content-Length: 2\r\n\r\n[]"), &[400]),
        (post("/api/model", "Content-Length: 14\r\n\r\n{\"id\":\"../..\"}"), &[404]),
        (post("/api/stop", "Content-Length: 0\r\n\r\n"), &[404]),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_vec(), &[403]),
        (post("/api/predict", "Origin: http://evil.example\r\nContent-Length: 5\r\n\r\nhello"), &[403]),
        (post("/api/model", "Sec-Fetch-Site: cross-site\r\nContent-Length: 2\r\n\r\n{}"), &[403]),
    ];
    for (request, expected) in cases {
        let shown: String = String::from_utf8_lossy(&request).chars().take(120).collect();
        let answer = server.raw(&request);
        assert!(expected.contains(&answer.status), "{} for {shown:?}", answer.status);
        // What is not HTTP has an answer without a body.
        if !answer.body.is_empty() {
            let error: Value = serde_json::from_slice(&answer.body).unwrap();
            let line = error["error"].as_str().unwrap();
            assert!(!line.is_empty() && !line.contains('\n'), "{shown:?}: {line:?}");
        }
    }
    // After a body that is cut off, no client is left to answer.
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(&post("/api/predict", "Content-Length: 100\r\n\r\ncut off")).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    assert_eq!(server.get("/api/status").json()["training"], false);
    assert!(!folder.path().join("corrections").exists());
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let folder = tempdir().unwrap();
    let server = Served::trained(folder.path());
    let limit = server.get("/api/status").json()["max_bytes"].as_u64().unwrap() as usize;
    assert_eq!(server.post("/api/predict", &vec![0; limit + 1]).status, 413);
    // A body that does not declare its length.
    let head = format!(
        "POST /api/predict HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.address
    );
    let chunk = [b"100000\r\n".to_vec(), vec![0; 1 << 20], b"\r\n".to_vec()].concat();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let sent = (0..2 * (limit >> 20)).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 2 * (limit >> 20), "the server must stop reading");
    assert_eq!(server.get("/api/status").status, 200);
}

/// A folder of runs: the trained run, and a copy of it.
fn two_runs() -> TempDir {
    let folder = tempdir().unwrap();
    let run = TRAINED.1.parent().unwrap();
    for name in ["one", "two"] {
        let copy = folder.path().join("runs").join(name);
        fs::create_dir_all(&copy).unwrap();
        for file in fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()) {
            fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
    }
    folder
}

#[test]
fn the_model_can_be_exchanged_for_that_of_another_run() {
    let folder = two_runs();
    let server = Served::start(&["serve", "--backend", "cpu", "--port", "0", "-q"], folder.path());
    let loaded = || server.get("/api/status").json()["model"].clone();
    let listed = server.get("/api/models").json();
    let models = listed["models"].as_array().unwrap();
    assert_eq!(models.len(), 2, "{listed}");
    let current: Vec<_> = models.iter().filter(|model| model["is_loaded"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["id"], loaded()["id"]);
    let other = models.iter().find(|model| model["is_loaded"] == false).unwrap();
    assert_eq!(other["state"], "finished");
    assert!(other["test_accuracy"].as_f64().unwrap() > 0.9);
    let choose = |id: &Value| server.post("/api/model", json!({ "id": id }).to_string().as_bytes());
    assert_eq!(choose(&other["id"]).json()["model"]["id"], other["id"]);
    assert_eq!(loaded()["id"], other["id"]);

    assert_eq!(choose(&json!("three")).status, 404);
    let damaged = current[0]["id"].as_str().unwrap();
    fs::write(folder.path().join("runs").join(damaged).join("model.safetensors"), b"damaged").unwrap();
    let refused = choose(&current[0]["id"]);
    assert_eq!(refused.status, 422, "{}", String::from_utf8_lossy(&refused.body));
    assert_eq!(loaded()["id"], other["id"], "the previous model stays");
    assert_eq!(server.post("/api/predict", &photo(&photo_names()[0].0)).status, 200);
}

#[test]
fn an_ensemble_answers_as_predict_does_and_can_be_chosen_again() {
    let runs = two_runs();
    let mut other = weights::load(&TRAINED.1).unwrap();
    other.parameters.iter_mut().for_each(|weight| *weight *= 0.75);
    fs::write(runs.path().join("other.safetensors"), weights::to_bytes(&other)).unwrap();
    let models = ["--model", "runs/one", "--model", "other.safetensors"];
    let mut arguments = vec!["serve", "--backend", "cpu", "--port", "0"];
    arguments.extend(models);
    let server = Served::start(&arguments, runs.path());
    let name = &photo_names()[0].0;
    let mut predict = assert_cmd::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    predict.current_dir(&runs).args(["predict", "--backend", "cpu"]).args(models).arg(photos().join(name));
    let expected = &lines(&mut predict)[0];
    let read = || server.post("/api/predict?detail=true", &photo(name)).json()["readings"][0].clone();
    let reading = read();
    assert_eq!(reading["probability"], expected["probability"]);
    assert_eq!(reading["layers"], json!([]), "no single network's layers lead to the mean");

    let model = server.get("/api/status").json()["model"].clone();
    assert_eq!((&model["name"], &model["hash"]), (&json!("ensemble of 2 models"), &Value::Null));
    let choose = |id: &Value| server.post("/api/model", json!({ "id": id }).to_string().as_bytes());
    assert_eq!(choose(&json!("one")).status, 200);
    assert_ne!(read()["probability"], reading["probability"]);
    assert_eq!(choose(&model["id"]).status, 200);
    assert_eq!(read(), reading);
}

#[test]
fn corrected_answers_can_be_trained_on() {
    let folder = tempdir().unwrap();
    let server = Served::trained(folder.path());
    let names: Vec<_> =
        photo_names().into_iter().filter(|(_, digit)| ["3", "5"].contains(&&**digit)).collect();
    let correct = |name: &str, class: &str| {
        server.post(&format!("/api/corrections?label={class}"), &photo(name)).json()
    };
    for (index, (name, digit)) in names.iter().enumerate() {
        let saved = correct(name, digit);
        assert_eq!(saved["images"], index + 1);
        let path = folder.path().join(saved["path"].as_str().unwrap());
        assert!(path.starts_with(folder.path().join("corrections").join(digit)), "{path:?}");
        assert_eq!(image::image_dimensions(&path).unwrap(), (32, 32));
    }
    // The same image again adds nothing; as another class, it moves.
    let (name, digit) = &names[0];
    assert_eq!(correct(name, digit)["images"], names.len());
    let moved = correct(name, "8");
    assert_eq!(moved["images"], names.len());
    assert!(moved["path"].as_str().unwrap().contains("8"));
    assert_eq!(correct(name, digit)["images"], names.len());

    let mut train = assert_cmd::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    train.current_dir(folder.path()).args(["train", "--backend", "cpu", "--data-dir", "corrections"]);
    train.args(["--validation-split", "0.3", "--run-dir", "run", "--init-from"]).arg(&TRAINED.1);
    train.assert().success().stdout(contains("test accuracy"));
}

#[test]
fn requests_that_arrive_together_are_one_batch() {
    const CLIENTS: usize = 16;
    let folder = tempdir().unwrap();
    let server = Served::trained(folder.path());
    let image = photo(&photo_names()[0].0);
    let largest = || {
        thread::scope(|scope| {
            let clients: Vec<_> =
                (0..CLIENTS).map(|_| scope.spawn(|| server.post("/api/predict", &image).json())).collect();
            let answers = clients.into_iter().map(|client| client.join().unwrap());
            answers.map(|answer| answer["batch"].as_u64().unwrap()).max().unwrap()
        })
    };
    // While the first is computed, the others arrive.
    assert!((0..50).any(|_| largest() > 1));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_server_with_success() {
    let folder = tempdir().unwrap();
    let server = Served::trained(folder.path());
    // A connection that is idle does not keep it.
    let _idle = TcpStream::connect(&server.address).unwrap();
    assert_eq!(server.interrupt(), Some(0));
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let folder = tempdir().unwrap();
    let serve = |args: &[&str]| {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.current_dir(folder.path()).args(["serve", "--backend", "cpu"]).args(args);
        command.assert()
    };
    serve(&[]).code(2).stderr(contains("runs has no run with a model").and(contains("lenet-gpu train")));
    serve(&["--host", "evil.example"]).code(2).stderr(contains("must be an IP address"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let model = TRAINED.1.to_str().unwrap();
    let in_use = || contains(format!("cannot listen on 127.0.0.1:{port}")).and(contains("port 0"));
    serve(&[model, "--port", &port]).code(1).stderr(in_use());

    let mut train = assert_cmd::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
    train.current_dir(folder.path()).args(["train", "--backend", "cpu", "--serve", &port]);
    train.assert().code(1).stderr(in_use());
    assert!(!folder.path().join("runs").exists(), "no run is created");
}

/// A live run, and the events that its page receives.
struct Live {
    server: Served,
    events: BufReader<TcpStream>,
    _folder: TempDir,
}

impl Live {
    fn start(epochs: &str) -> Self {
        let folder = tempdir().unwrap();
        let args = [
            "train",
            "--backend",
            "cpu",
            "--limit-train",
            "2000",
            "--limit-test",
            "500",
            "--epochs",
            epochs,
            "--serve",
            "0",
            "--quiet",
            "--no-report",
        ];
        let server = Served::start(&args, folder.path());
        let mut stream = TcpStream::connect(&server.address).unwrap();
        write!(stream, "GET /api/events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).unwrap();
        Self { server, events: BufReader::new(stream), _folder: folder }
    }

    /// The next event and its data; `None` once the stream has ended.
    fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        for line in self.events.by_ref().lines().map_while(Result::ok) {
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).unwrap()));
            }
        }
        None
    }
}

#[test]
fn a_run_is_followed_to_its_end() {
    let mut live = Live::start("4");
    let first = live.server.get("/");
    assert_eq!(first.status, 303);
    assert!(first.head.contains("location: /live"));
    let mut last = None;
    while let Some((event, data)) = live.next() {
        if event != "progress" {
            assert_eq!(data["filters"]["shape"], json!([6, 1, 5, 5]));
        }
        last = Some((event, data));
    }
    let (event, data) = last.unwrap();
    assert_eq!(event, "end");
    assert_eq!(data["state"], "finished");
    let epochs: Vec<_> = data["epochs"].as_array().unwrap().iter().map(|record| &record["epoch"]).collect();
    assert_eq!(epochs, [1, 2, 3, 4]);
    assert_eq!(data["progress"]["images"], 8000);
    for chart in ["loss", "accuracy"] {
        let html = data["charts"][chart].as_str().unwrap();
        assert!(html.contains("<svg") && !html.contains(" style="), "{html}");
    }
    let mistake = &data["mistakes"][0];
    assert_ne!(mistake["label"], mistake["predicted"]);
    assert_eq!(live.server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_run_is_drawn_on_and_stopped_from_its_page() {
    let mut live = Live::start("10000");
    while live.next().is_none_or(|(_, data)| data["epochs"].as_array().is_none_or(Vec::is_empty)) {}
    let status = live.server.get("/api/status").json();
    assert_eq!((&status["training"], &status["model"]["id"]), (&json!(true), &json!("/live")));
    assert!(status["model"]["test_accuracy"].is_number(), "{status}");
    let read = live.server.post("/api/predict?detail=true", &photo(&photo_names()[0].0)).json();
    assert_eq!(read["readings"][0]["probabilities"].as_array().unwrap().len(), 10);
    assert_eq!(live.server.post("/api/model", b"{\"id\":\"/live\"}").status, 409);
    assert_eq!(live.server.get("/api/run").json()["state"], "running");

    assert_eq!(live.server.post("/api/stop", b"").status, 202);
    let mut last = None;
    while let Some((event, data)) = live.next() {
        last = Some((event, data["state"].clone()));
    }
    assert_eq!(last, Some(("end".to_owned(), json!("interrupted"))));
    assert_eq!(live.server.child.wait().unwrap().code(), Some(130));
}
