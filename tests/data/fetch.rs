//! Downloads from a server in this process that imitates real ones, with small data sets made here.
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use lenet_gpu::data::download::{
    Event, FetchError, FetchOutcome, PublishedFile, PublishedSet, ServerError, ServerUrl, fetch,
};
use lenet_gpu::data::{Conversion, Dataset, DatasetKind};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Longer than any response of a working server takes.
const LONG_TIMEOUT: Duration = Duration::from_secs(60);

/// For servers that never respond, and long enough for the others on a busy machine.
const SHORT_TIMEOUT: Duration = Duration::from_secs(1);

const ARCHIVE: &str = "cifar-10-binary.tar.gz";

/// The path of a request and the first byte of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    path: String,
    from: Option<usize>,
}

/// A server's response to a request.
struct Reply {
    /// The status line and the headers.
    head: String,
    body: Vec<u8>,
    then: Then,
}

/// What the server does after sending the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    HangUp,
    /// Keeps the connection open and sends nothing.
    Hang,
    /// Sends a byte now and then until the client disconnects.
    Drip,
}

impl Reply {
    fn new(head: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { head: head.into(), body: body.into(), then: Then::HangUp }
    }

    /// The whole file, whatever range was requested.
    fn whole(bytes: &[u8]) -> Self {
        Self::new(format!("200 OK\r\nContent-Length: {}", bytes.len()), bytes)
    }

    /// The requested range.
    fn of(bytes: &[u8], request: &Request) -> Self {
        let Some(from) = request.from else { return Self::whole(bytes) };
        let (end, length) = (bytes.len() - 1, bytes.len());
        let head = format!("206 Partial Content\r\nContent-Range: bytes {from}-{end}/{length}");
        Self::new(format!("{head}\r\nContent-Length: {}", length - from), &bytes[from..])
    }

    /// Sends only the first `count` bytes of the body.
    fn cut(mut self, count: usize) -> Self {
        self.body.truncate(count);
        self
    }

    fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    fn status(status: &str) -> Self {
        Self::new(format!("{status}\r\nContent-Length: 0"), "")
    }
}

/// A local server that records its requests.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `reply` is called with the number of previous requests and the request.
    fn start(mut reply: impl FnMut(usize, &Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read_request(&stream) else { continue };
                let number = seen.lock().unwrap().len();
                seen.lock().unwrap().push(request.clone());
                let Reply { head, body, then } = reply(number, &request);
                // The client may have disconnected.
                let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes());
                let _ = stream.write_all(&body);
                while then == Then::Drip && stream.write_all(&[7]).is_ok() {
                    thread::sleep(Duration::from_millis(10));
                }
                if then == Then::Hang {
                    open.push(stream);
                }
            }
        });
        Self { url, requests }
    }

    /// A working server of these bytes.
    fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.to_vec();
        Self::start(move |_, request| Reply::of(&bytes, request))
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The first byte of each request's range.
    fn ranges(&self) -> Vec<Option<usize>> {
        self.requests().iter().map(|request| request.from).collect()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let lines: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let range =
        lines.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let from = range.map(|range| range.trim_end_matches('-').parse().unwrap());
    Some(Request { path, from })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Records of CIFAR-10 with pixels that compress badly, so that downloads are not tiny.
fn batch(labels: &[u8]) -> Vec<u8> {
    let pixel = |index: u32| (index.wrapping_mul(index).wrapping_mul(2_654_435_761) >> 16) as u8;
    let image = |label: u8| (0..3072).map(move |index| pixel(index + 3072 * u32::from(label)));
    labels.iter().flat_map(|&label| [label].into_iter().chain(image(label))).collect()
}

/// The header of an archive entry with any name; `tar::Builder` rejects invalid ones.
fn header(kind: tar::EntryType, name: &str, length: u64) -> tar::Header {
    let mut header = tar::Header::new_old();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(length);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

/// A complete CIFAR-10 archive, to which `append` may add entries.
fn archive(append: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let folder = "cifar-10-batches-bin/";
    tar.append(&header(tar::EntryType::Directory, folder, 0), &[][..]).unwrap();
    for (name, labels) in
        [("data_batch_2.bin", &[2][..]), ("test_batch.bin", &[1, 0]), ("data_batch_1.bin", &[0, 3])]
    {
        let bytes = batch(labels);
        let header = header(tar::EntryType::Regular, &format!("{folder}{name}"), bytes.len() as u64);
        tar.append(&header, &bytes[..]).unwrap();
    }
    append(&mut tar);
    gzip(&tar.into_inner().unwrap())
}

fn valid_archive() -> Vec<u8> {
    archive(|_| {})
}

fn published_file(name: &str, bytes: &[u8]) -> PublishedFile {
    let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    PublishedFile { name: name.to_owned(), length: bytes.len() as u64, sha256 }
}

/// A published CIFAR-10 with this archive and these servers.
fn published(archive: &[u8], servers: &[&Server]) -> PublishedSet {
    PublishedSet {
        files: vec![published_file(ARCHIVE, archive)],
        homes: servers.iter().map(|server| server.url.clone()).collect(),
        ..PublishedSet::of(DatasetKind::Cifar10).unwrap()
    }
}

/// The target folder of a test's download.
struct Target {
    parent: TempDir,
    folder: PathBuf,
}

impl Target {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("set");
        Self { parent, folder }
    }

    fn fetch(&self, set: &PublishedSet) -> Result<FetchOutcome, FetchError> {
        self.fetch_within(set, LONG_TIMEOUT)
    }

    fn fetch_within(&self, set: &PublishedSet, timeout: Duration) -> Result<FetchOutcome, FetchError> {
        fetch(set, None, &self.folder, timeout, &mut |_| ControlFlow::Continue(()))
    }

    /// The data set is in the folder, and nothing is beside it.
    #[track_caller]
    fn assert_complete(&self) {
        let set = Dataset::open(&self.folder, Some(DatasetKind::Cifar10), Conversion::default()).unwrap();
        assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[0, 3, 2][..], &[1, 0][..]));
        assert_eq!(names(self.parent.path()), ["set"], "leftovers beside the data set");
    }

    /// There is neither a data set nor a working folder.
    #[track_caller]
    fn assert_empty(&self) {
        assert_eq!(names(self.parent.path()), [""; 0]);
    }

    /// The path of the downloaded bytes of an interrupted download.
    fn part(&self) -> PathBuf {
        self.parent.path().join(".set.fetch").join(format!("{ARCHIVE}.part"))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The error of each server.
#[track_caller]
fn server_errors(fetched: Result<FetchOutcome, FetchError>) -> Vec<ServerError> {
    let error = fetched.unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    match error {
        FetchError::AllServersFailed { errors, .. } => errors.into_iter().map(|(_, error)| error).collect(),
        other => panic!("{other}"),
    }
}

mod data_set {
    use super::*;

    #[test]
    fn a_data_set_is_downloaded_verified_unpacked_and_moved_to_its_folder() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::of(&bytes);
        assert_eq!(target.fetch(&published(&bytes, &[&server])).unwrap(), FetchOutcome::Downloaded);
        target.assert_complete();
        assert_eq!(server.requests(), [Request { path: format!("/{ARCHIVE}"), from: None }]);
    }

    #[test]
    fn several_files_are_downloaded_one_after_the_other() {
        let labels = [0, 0, 8, 1, 0, 0, 0, 1, 7];
        let images = [&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28][..], &[9; 28 * 28]].concat();
        let contents = [
            ("train-images-idx3-ubyte.gz", gzip(&images)),
            ("train-labels-idx1-ubyte.gz", gzip(&labels)),
            ("t10k-images-idx3-ubyte.gz", gzip(&images)),
            ("t10k-labels-idx1-ubyte.gz", gzip(&labels)),
        ];
        let files = contents.iter().map(|(name, bytes)| published_file(name, bytes)).collect();
        let server = Server::start(move |_, request| {
            let (_, bytes) =
                contents.iter().find(|(name, _)| request.path == format!("/mirror/{name}")).unwrap();
            Reply::of(bytes, request)
        });
        let set = PublishedSet { files, ..PublishedSet::of(DatasetKind::FashionMnist).unwrap() };
        let target = Target::new();
        let server_url: ServerUrl = format!("{}mirror", server.url).parse().unwrap();
        fetch(&set, Some(&server_url), &target.folder, LONG_TIMEOUT, &mut |_| ControlFlow::Continue(()))
            .unwrap();
        let placed =
            Dataset::open(&target.folder, Some(DatasetKind::FashionMnist), Conversion::default()).unwrap();
        assert_eq!((placed.train.labels[0], placed.test.image(0)[0]), (7, 9));
        assert_eq!(server.requests().len(), 4);
    }

    #[test]
    fn no_server_is_contacted_if_the_data_set_is_present() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::of(&bytes);
        let set = published(&bytes, &[&server]);
        target.fetch(&set).unwrap();
        assert_eq!(target.fetch(&set).unwrap(), FetchOutcome::AlreadyPresent);
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn the_target_folder_may_be_empty_but_not_occupied() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::of(&bytes);
        let set = published(&bytes, &[&server]);
        fs::create_dir(&target.folder).unwrap();
        fs::write(target.folder.join("thesis.tex"), "").unwrap();
        assert!(matches!(target.fetch(&set), Err(FetchError::Occupied { .. })));
        assert_eq!(names(&target.folder), ["thesis.tex"]);
        fs::remove_file(target.folder.join("thesis.tex")).unwrap();
        assert_eq!(target.fetch(&set).unwrap(), FetchOutcome::Downloaded);
        target.assert_complete();
    }

    #[test]
    fn a_second_simultaneous_download_is_rejected() {
        let (bytes, target) = (valid_archive(), Target::new());
        let (go, wait) = mpsc::channel();
        let server = Server::start({
            let bytes = bytes.clone();
            move |_, request| {
                wait.recv().unwrap();
                Reply::of(&bytes, request)
            }
        });
        let set = published(&bytes, &[&server]);
        thread::scope(|scope| {
            let (started, has_started) = mpsc::channel::<()>();
            let first = scope.spawn(|| {
                let mut started = Some(started);
                fetch(&set, None, &target.folder, LONG_TIMEOUT, &mut |_| {
                    drop(started.take());
                    ControlFlow::Continue(())
                })
            });
            assert!(has_started.recv().is_err(), "the sender is dropped when the first download has started");
            assert!(matches!(target.fetch(&set), Err(FetchError::Busy { .. })));
            go.send(()).unwrap();
            assert_eq!(first.join().unwrap().unwrap(), FetchOutcome::Downloaded);
        });
        target.assert_complete();
        assert_eq!(target.fetch(&set).unwrap(), FetchOutcome::AlreadyPresent);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_is_followed_and_stays() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::of(&bytes);
        let elsewhere = tempfile::tempdir().unwrap();
        fs::create_dir(elsewhere.path().join("set")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("set"), &target.folder).unwrap();
        target.fetch(&published(&bytes, &[&server])).unwrap();
        assert!(target.folder.is_symlink(), "the link was replaced");
        target.assert_complete();
        assert_eq!(names(elsewhere.path()), ["set"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_the_working_folder_are_refused() {
        for name in ["lock", "cifar-10-binary.tar.gz.part"] {
            let (bytes, target) = (valid_archive(), Target::new());
            let server = Server::of(&bytes);
            let file = target.parent.path().join("thesis.tex");
            fs::write(&file, "years of work").unwrap();
            let working = target.parent.path().join(".set.fetch");
            fs::create_dir(&working).unwrap();
            std::os::unix::fs::symlink(&file, working.join(name)).unwrap();
            let fetched = target.fetch(&published(&bytes, &[&server]));
            assert!(matches!(fetched, Err(FetchError::Disk { .. })), "{name}: {fetched:?}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "years of work", "{name}");
            assert!(server.requests().is_empty());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_target_folder_that_cannot_be_created_is_an_error() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::of(&bytes);
        fs::write(&target.folder, "a file").unwrap();
        let inside = target.folder.join("inside");
        let fetched = fetch(&published(&bytes, &[&server]), None, &inside, LONG_TIMEOUT, &mut |_| {
            ControlFlow::Continue(())
        });
        assert!(matches!(fetched, Err(FetchError::Disk { .. })));
        assert!(server.requests().is_empty());
        let unnamed =
            fetch(&published(&bytes, &[]), None, Path::new("/absent/.."), LONG_TIMEOUT, &mut |_| {
                ControlFlow::Continue(())
            });
        assert!(matches!(unnamed, Err(FetchError::NoName { .. })));
    }
}

mod resumption {
    use super::*;

    #[test]
    fn a_dropped_connection_is_resumed() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::start({
            let bytes = bytes.clone();
            move |number, request| Reply::of(&bytes, request).cut(if number < 2 { 1000 } else { usize::MAX })
        });
        target.fetch(&published(&bytes, &[&server])).unwrap();
        target.assert_complete();
        assert_eq!(server.ranges(), [None, Some(1000), Some(2000)]);
    }

    #[test]
    fn the_next_call_resumes_a_failed_download() {
        let (bytes, target) = (valid_archive(), Target::new());
        let failing = Server::start({
            let bytes = bytes.clone();
            move |number, request| match number {
                0 => Reply::of(&bytes, request).cut(1000),
                _ => Reply::status("503 Service Unavailable"),
            }
        });
        let errors = server_errors(target.fetch(&published(&bytes, &[&failing])));
        assert!(matches!(errors[..], [ServerError::Status(status)] if status == 503));
        assert_eq!(fs::read(target.part()).unwrap(), bytes[..1000]);
        assert!(!target.folder.exists());

        let server = Server::of(&bytes);
        target.fetch(&published(&bytes, &[&server])).unwrap();
        target.assert_complete();
        assert_eq!(server.ranges(), [Some(1000)]);
    }

    #[test]
    fn a_complete_download_is_not_requested_again() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::of(&bytes);
        let set = published(&bytes, &[&server]);
        let fetched = fetch(&set, None, &target.folder, LONG_TIMEOUT, &mut |event| match event {
            Event::Unpacking { .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        assert!(matches!(fetched, Err(FetchError::Interrupted)));
        assert_eq!(fs::read(target.part()).unwrap(), bytes);
        target.fetch(&set).unwrap();
        target.assert_complete();
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn a_server_without_ranges_restarts_the_download() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::start({
            let bytes = bytes.clone();
            move |number, _| Reply::whole(&bytes).cut(if number == 0 { 1000 } else { usize::MAX })
        });
        target.fetch(&published(&bytes, &[&server])).unwrap();
        target.assert_complete();
        assert_eq!(server.ranges(), [None, Some(1000)]);
    }

    #[test]
    fn a_wrong_range_restarts_the_download() {
        let wrong = "206 Partial Content\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10";
        for response in [wrong, "416 Range Not Satisfiable\r\nContent-Length: 0"] {
            let (bytes, target) = (valid_archive(), Target::new());
            let server = Server::start({
                let bytes = bytes.clone();
                move |number, request| match number {
                    0 => Reply::of(&bytes, request).cut(1000),
                    1 => Reply::new(response, [7; 10]).cut(if response == wrong { 10 } else { 0 }),
                    _ => Reply::of(&bytes, request),
                }
            });
            target.fetch(&published(&bytes, &[&server])).unwrap();
            target.assert_complete();
            assert_eq!(server.ranges(), [None, Some(1000), None]);
        }
    }

    #[test]
    fn bytes_of_another_file_restart_the_download() {
        let (bytes, target) = (valid_archive(), Target::new());
        fs::create_dir(target.part().parent().unwrap()).unwrap();
        let server = Server::of(&bytes);
        for existing in [vec![7; 1000], vec![7; bytes.len()], vec![7; bytes.len() + 1]] {
            fs::create_dir_all(target.part().parent().unwrap()).unwrap();
            fs::write(target.part(), &existing).unwrap();
            target.fetch(&published(&bytes, &[&server])).unwrap();
            target.assert_complete();
            fs::remove_dir_all(&target.folder).unwrap();
        }
        assert_eq!(server.ranges(), [Some(1000), None, None, None]);
    }

    #[test]
    fn an_interrupted_download_keeps_its_bytes() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::of(&bytes);
        let set = published(&bytes, &[&server]);
        let fetched = fetch(&set, None, &target.folder, LONG_TIMEOUT, &mut |event| match event {
            Event::Received { .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        assert!(matches!(fetched, Err(FetchError::Interrupted)));
        let kept = fs::read(target.part()).unwrap();
        assert!(!kept.is_empty() && bytes.starts_with(&kept));
        target.fetch(&set).unwrap();
        target.assert_complete();
    }

    #[test]
    fn redirects_are_followed_except_loops() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::start({
            let bytes = bytes.clone();
            move |_, request| match request.path.as_str() {
                "/elsewhere" => Reply::of(&bytes, request),
                _ => Reply::status("302 Found\r\nLocation: /elsewhere"),
            }
        });
        target.fetch(&published(&bytes, &[&server])).unwrap();
        target.assert_complete();

        let (target, looping) =
            (Target::new(), Server::start(|_, _| Reply::status("302 Found\r\nLocation: /loop")));
        let errors = server_errors(target.fetch(&published(&bytes, &[&looping])));
        assert!(
            matches!(&errors[..], [ServerError::Network(reason)] if reason.contains("redirects")),
            "{errors:?}"
        );
        target.assert_empty();
    }
}

mod server_error {
    use super::*;

    /// The error of a server with this reply. Nothing is left on disk.
    #[track_caller]
    fn server_error(reply: impl Fn(&[u8]) -> Reply + Send + 'static) -> ServerError {
        let (bytes, target) = (valid_archive(), Target::new());
        let archive = bytes.clone();
        let server = Server::start(move |_, _| reply(&archive));
        let error = server_errors(target.fetch(&published(&bytes, &[&server]))).remove(0);
        target.assert_empty();
        error
    }

    #[test]
    fn http_errors_are_reported_with_their_status() {
        for (status, code) in
            [("404 Not Found", 404), ("500 Internal Server Error", 500), ("403 Forbidden", 403)]
        {
            let error = server_error(move |_| Reply::status(status));
            assert!(matches!(error, ServerError::Status(found) if found == code));
            assert_eq!(error.to_string(), format!("the server responded with {status}"));
        }
    }

    #[test]
    fn web_pages_are_detected() {
        let page = "\n <!DOCTYPE html><html>Please accept our cookies</html>";
        let by_type = server_error(move |archive| {
            let head = format!(
                "200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}",
                archive.len()
            );
            Reply::new(head, archive)
        });
        let by_content = server_error(move |_| Reply::new("200 OK", page));
        assert!(matches!((by_type, by_content), (ServerError::Page, ServerError::Page)));
        let by_length = server_error(move |_| Reply::whole(page.as_bytes()));
        assert!(matches!(by_length, ServerError::Length { announced: 55, .. }), "{by_length}");
    }

    #[test]
    fn another_announced_length_is_rejected_before_the_body_is_read() {
        let error = server_error(|archive| Reply::whole(&archive[1..]));
        assert!(matches!(error, ServerError::Length { announced, expected } if announced + 1 == expected));
    }

    #[test]
    fn a_longer_file_is_rejected_at_the_expected_length() {
        let error = server_error(|archive| Reply::new("200 OK", [archive, &[0; 1000]].concat()));
        assert!(matches!(error, ServerError::TooLong { .. }), "{error}");
    }

    #[test]
    fn a_silent_server_times_out() {
        let (bytes, target) = (valid_archive(), Target::new());
        let server = Server::start({
            let bytes = bytes.clone();
            move |number, request| match number {
                0 => Reply::of(&bytes, request).cut(1000).then(Then::Hang),
                1 => Reply::of(&bytes, request).cut(0).then(Then::Hang),
                _ => panic!("the server was contacted again although it had sent nothing"),
            }
        });
        let errors = server_errors(target.fetch_within(&published(&bytes, &[&server]), SHORT_TIMEOUT));
        assert!(matches!(errors[..], [ServerError::TimedOut { .. }]), "{errors:?}");
        assert_eq!(fs::read(target.part()).unwrap().len(), 1000);
    }

    #[test]
    fn wrong_bytes_are_rejected_by_their_hash() {
        let error = server_error(|archive| Reply::whole(&vec![7; archive.len()]));
        assert!(matches!(&error, ServerError::Hash { found, expected } if found != expected), "{error}");
    }

    #[test]
    fn a_refused_connection_is_reported() {
        let (bytes, target) = (valid_archive(), Target::new());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let homes = vec![format!("http://127.0.0.1:{port}/")];
        let errors = server_errors(target.fetch(&PublishedSet { homes, ..published(&bytes, &[]) }));
        assert!(matches!(&errors[..], [ServerError::Network(_)]), "{errors:?}");
        target.assert_empty();
    }

    #[test]
    fn the_next_server_is_tried_after_a_failure() {
        let (bytes, target) = (valid_archive(), Target::new());
        let archive = bytes.clone();
        let wrong = Server::start(move |_, _| Reply::whole(&vec![7; archive.len()]));
        let absent = Server::start(|_, _| Reply::status("404 Not Found"));
        let valid = Server::of(&bytes);
        let mut failures = Vec::new();
        fetch(
            &published(&bytes, &[&wrong, &absent, &valid]),
            None,
            &target.folder,
            LONG_TIMEOUT,
            &mut |event| {
                if let Event::ServerFailed { url, error } = event {
                    failures.push(format!("{url} {error}"));
                }
                ControlFlow::Continue(())
            },
        )
        .unwrap();
        target.assert_complete();
        assert_eq!(failures.len(), 2, "{failures:?}");
        assert!(failures[0].contains("SHA-256") && failures[1].contains("404"), "{failures:?}");
    }

    #[test]
    fn the_errors_of_all_servers_are_listed() {
        let (bytes, target) = (valid_archive(), Target::new());
        let servers = ["404 Not Found", "502 Bad Gateway"]
            .map(|status| Server::start(move |_, _| Reply::status(status)));
        let error = target.fetch(&published(&bytes, &[&servers[0], &servers[1]])).unwrap_err().to_string();
        let expected = format!(
            "cannot download {ARCHIVE}: {}{ARCHIVE}: the server responded with 404 Not Found; {}{ARCHIVE}: the server \
             responded with 502 Bad Gateway",
            servers[0].url, servers[1].url
        );
        assert_eq!(error, expected);
        target.assert_empty();
    }
}

mod untrusted_archive {
    use super::*;

    /// Unpacking an archive with the right hash fails with a one-line message that contains all of `expected`, and
    /// writes nothing.
    #[track_caller]
    fn assert_error(bytes: &[u8], expected: &[&str]) {
        let target = Target::new();
        let server = Server::of(bytes);
        let error = target.fetch(&published(bytes, &[&server])).unwrap_err();
        assert!(matches!(error, FetchError::Unpack(_)), "{error}");
        let line = error.to_string();
        for part in expected {
            assert!(line.contains(part), "{part:?} is not in: {line}");
        }
        assert!(!line.contains('\n'), "{line}");
        // The download has the right hash and is kept; unpacked files are removed.
        assert_eq!(names(target.parent.path()), [".set.fetch"]);
        let mut kept = names(target.part().parent().unwrap());
        kept.sort_unstable();
        assert_eq!(kept, [format!("{ARCHIVE}.part"), "lock".to_owned()]);
    }

    fn with_entry(kind: tar::EntryType, name: &str) -> Vec<u8> {
        archive(|tar| {
            let mut header = header(kind, name, 0);
            if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
                header.set_link_name("/etc/passwd").unwrap();
                header.set_cksum();
            }
            tar.append(&header, &[][..]).unwrap();
        })
    }

    #[test]
    fn an_entry_outside_the_folder_is_rejected() {
        for name in ["../evil", "/tmp/evil", "a/../../evil", ".."] {
            let expected = [&format!("{name:?}")[..], "outside the archive's folder"];
            assert_error(&with_entry(tar::EntryType::Regular, name), &expected);
        }
    }

    #[test]
    fn an_entry_other_than_a_file_is_rejected() {
        for (kind, what) in [
            (tar::EntryType::Symlink, "a link"),
            (tar::EntryType::Link, "a link"),
            (tar::EntryType::Fifo, "a device or a pipe"),
            (tar::EntryType::Char, "a device or a pipe"),
            (tar::EntryType::Block, "a device or a pipe"),
            (tar::EntryType::GNUSparse, "of an unknown kind"),
        ] {
            assert_error(&with_entry(kind, "evil"), &["\"evil\"", what, "only files and folders"]);
        }
    }

    #[test]
    fn truncated_and_other_files_are_rejected() {
        let whole = valid_archive();
        for end in [whole.len() / 2, whole.len() - 8] {
            assert_error(&whole[..end], &["the .tar.gz archive is damaged or truncated"]);
        }
        assert_error(b"not packed at all", &["the .tar.gz archive is damaged or truncated"]);
        assert_error(&gzip(&[7; 2000]), &["the .tar.gz archive is damaged or truncated"]);
    }
}

mod command {
    use super::*;
    use assert_cmd::Command;
    use predicates::prelude::*;
    use predicates::str::{contains, is_empty};

    /// The length of the first MNIST file; a server with another length would be rejected at once.
    const LENGTH: usize = 9_912_422;

    fn lenet_gpu(cache: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.env("LENET_GPU_CACHE", cache);
        command
    }

    #[test]
    fn wrong_bytes_end_in_an_error_and_leave_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(|_, _| Reply::whole(&vec![7; LENGTH]));
        lenet_gpu(cache.path())
            .args(["data", "fetch", "mnist", "--from", &server.url])
            .assert()
            .code(1)
            .stdout(is_empty())
            .stderr(contains("error: cannot download train-images-idx3-ubyte.gz").and(contains("SHA-256 ")));
        assert_eq!(names(cache.path()), [""; 0]);
    }

    #[test]
    fn unknown_sets_and_invalid_arguments_are_rejected() {
        let cache = tempfile::tempdir().unwrap();
        let fetch =
            |arguments: &[&str]| lenet_gpu(cache.path()).args(["data", "fetch"]).args(arguments).assert();
        fetch(&["imagenet"]).code(2).stderr(contains("mnist, cifar10 or fashion-mnist"));
        fetch(&["cifar10", "--from", "/home"]).code(2).stderr(contains("--from").and(contains("http")));
        fetch(&["cifar10", "--timeout", "0"]).code(2).stderr(contains("--timeout"));
        let occupied = env!("CARGO_MANIFEST_DIR");
        fetch(&["cifar10", "--to", occupied])
            .code(2)
            .stderr(contains("is not empty and does not contain cifar10"));
        lenet_gpu(cache.path())
            .args(["data", "fetch", "--help"])
            .assert()
            .success()
            .stdout(contains("Examples:"));
    }

    #[cfg(unix)]
    #[test]
    fn a_full_disk_ends_in_an_error_that_names_the_file() {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(|_, _| Reply::whole(&vec![7; LENGTH]));
        // A limit on the size of files simulates a full disk.
        let script = format!(
            "trap '' XFSZ; ulimit -f 100; exec '{}' data fetch mnist --from '{}'",
            env!("CARGO_BIN_EXE_lenet-gpu"),
            server.url
        );
        Command::new("sh")
            .args(["-c", &script])
            .env("LENET_GPU_CACHE", cache.path())
            .assert()
            .code(1)
            .stderr(contains("error: cannot write").and(contains("train-images-idx3-ubyte.gz.part")));
        assert_eq!(names(cache.path()), [".mnist.fetch"]);
    }

    #[cfg(unix)]
    #[test]
    fn an_interrupted_command_keeps_its_bytes_and_exits_with_130() {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(|_, _| Reply::whole(&vec![7; LENGTH]).cut(1000).then(Then::Drip));
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_lenet-gpu"))
            .args(["data", "fetch", "mnist", "--from", &server.url])
            .env("LENET_GPU_CACHE", cache.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let part = cache.path().join(".mnist.fetch/train-images-idx3-ubyte.gz.part");
        let started = std::time::Instant::now();
        while fs::metadata(&part).map_or(0, |metadata| metadata.len()) < 1000 {
            assert!(started.elapsed() < LONG_TIMEOUT, "the download did not start");
            thread::sleep(Duration::from_millis(10));
        }
        let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.contains("run the same command again"), "{stderr}");
        assert!(part.is_file());
    }

    #[test]
    fn train_uses_the_cache_and_otherwise_suggests_a_download() {
        let cache = tempfile::tempdir().unwrap();
        let run_dir = cache.path().join("run");
        let train = || {
            let mut command = lenet_gpu(cache.path());
            command.args([
                "train",
                "--backend",
                "cpu",
                "--dataset",
                "cifar10",
                "--max-steps",
                "1",
                "--run-dir",
            ]);
            command.arg(&run_dir).assert()
        };
        train().code(2).stdout(is_empty()).stderr(
            contains("cifar10 is not on this machine").and(contains("`lenet-gpu data fetch cifar10`")),
        );
        assert!(!run_dir.exists(), "a run that did not start left a folder");

        let list = || lenet_gpu(cache.path()).args(["data", "list"]).assert().success();
        list().stdout(contains("not downloaded: lenet-gpu data fetch cifar10"));
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cifar10-sample");
        let folder = cache.path().join("cifar10");
        fs::create_dir(&folder).unwrap();
        for name in names(&sample) {
            fs::copy(sample.join(&name), folder.join(&name)).unwrap();
        }
        train().success();
        list().stdout(contains(format!("in {}", folder.display())));
        let json = lenet_gpu(cache.path()).args(["data", "list", "--json"]).output().unwrap().stdout;
        let sets: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let cifar = sets.as_array().unwrap().iter().find(|set| set["name"] == "cifar10").unwrap();
        assert_eq!((&cifar["placed"], &cifar["bytes"]), (&true.into(), &170_052_171.into()));
    }
}

#[test]
fn published_sets_have_two_servers_and_complete_hashes() {
    for kind in [DatasetKind::Mnist, DatasetKind::FashionMnist, DatasetKind::Cifar10] {
        let set = PublishedSet::of(kind).unwrap();
        assert!(set.homes.len() >= 2, "{kind} has a single server");
        for home in &set.homes {
            assert!(home.parse::<ServerUrl>().is_ok() && home.ends_with('/'), "{home}");
        }
        for file in &set.files {
            let is_digit = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
            assert!(file.sha256.len() == 64 && file.sha256.chars().all(is_digit), "{}", file.sha256);
            assert!(file.name.ends_with(".gz") && file.length > 0);
        }
    }
}

#[test]
fn only_http_urls_are_server_urls() {
    for text in ["http://127.0.0.1:8000", "https://example.org/sets/", "https://example.org/a.tar.gz?raw=1"] {
        assert!(text.parse::<ServerUrl>().is_ok(), "{text}");
    }
    for text in
        ["", "example.org", "/home/me/sets", "file:///sets/", "ftp://example.org/", "https://", "http://a b/"]
    {
        assert!(text.parse::<ServerUrl>().is_err(), "{text}");
    }
}
