//! Downloads, against a server in this process that behaves as servers do. The sets are small ones made
//! here, so each has a table entry of its own; the program's own entries go by the same way.
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
    Event, FetchError, Fetched, Origin, PublishedFile, PublishedSet, Refusal, fetch,
};
use lenet_gpu::data::{Conversion, Dataset, DatasetKind};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Longer than any answer of a server that means to give one.
const PATIENT: Duration = Duration::from_secs(60);

/// For a server that never answers; one that does has enough of it on a busy machine.
const IMPATIENT: Duration = Duration::from_secs(1);

const ARCHIVE: &str = "cifar-10-binary.tar.gz";

/// A request, as far as it matters: the path, and the byte that a range begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    path: String,
    from: Option<usize>,
}

/// What a server does with a request.
struct Reply {
    /// From the status on to the last header.
    head: String,
    body: Vec<u8>,
    then: Then,
}

/// What comes after the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    HangUp,
    /// Nothing, for ever.
    Hang,
    /// A byte now and then, until the other end hangs up.
    Drip,
}

impl Reply {
    fn new(head: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { head: head.into(), body: body.into(), then: Then::HangUp }
    }

    /// The whole, whatever was asked for.
    fn whole(bytes: &[u8]) -> Self {
        Self::new(format!("200 OK\r\nContent-Length: {}", bytes.len()), bytes)
    }

    /// What was asked for.
    fn of(bytes: &[u8], request: &Request) -> Self {
        let Some(from) = request.from else { return Self::whole(bytes) };
        let (end, length) = (bytes.len() - 1, bytes.len());
        let head = format!("206 Partial Content\r\nContent-Range: bytes {from}-{end}/{length}");
        Self::new(format!("{head}\r\nContent-Length: {}", length - from), &bytes[from..])
    }

    /// The same, but only so many bytes of the body.
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

/// A server on this machine that remembers what was asked of it.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `reply` gets each request with the number of those before it.
    fn start(mut reply: impl FnMut(usize, &Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read_request(&stream) else { continue };
                let number = seen.lock().unwrap().len();
                seen.lock().unwrap().push(request.clone());
                let Reply { head, body, then } = reply(number, &request);
                // The other end may have heard enough.
                let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes());
                let _ = stream.write_all(&body);
                while then == Then::Drip && stream.write_all(&[7]).is_ok() {
                    thread::sleep(Duration::from_millis(10));
                }
                if then == Then::Hang {
                    held.push(stream);
                }
            }
        });
        Self { url, requests }
    }

    /// A server of these bytes that does all as it should.
    fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.to_vec();
        Self::start(move |_, request| Reply::of(&bytes, request))
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Where each request's range began.
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

/// Records of CIFAR-10 whose pixels do not pack well, so that a download has some length.
fn batch(labels: &[u8]) -> Vec<u8> {
    let pixel = |place: u32| (place.wrapping_mul(place).wrapping_mul(2_654_435_761) >> 16) as u8;
    let image = |label: u8| (0..3072).map(move |place| pixel(place + 3072 * u32::from(label)));
    labels.iter().flat_map(|&label| [label].into_iter().chain(image(label))).collect()
}

/// The header of an archive's entry, with any name: builders refuse bad ones.
fn header(kind: tar::EntryType, name: &str, length: u64) -> tar::Header {
    let mut header = tar::Header::new_old();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(length);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

/// A whole CIFAR-10 in an archive, and at its end what is appended.
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

fn sound_archive() -> Vec<u8> {
    archive(|_| {})
}

fn published_file(name: &str, bytes: &[u8]) -> PublishedFile {
    let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    PublishedFile { name: name.to_owned(), length: bytes.len() as u64, sha256 }
}

/// A CIFAR-10 that is this archive, and at home with these servers.
fn published(archive: &[u8], servers: &[&Server]) -> PublishedSet {
    PublishedSet {
        files: vec![published_file(ARCHIVE, archive)],
        homes: servers.iter().map(|server| server.url.clone()).collect(),
        ..PublishedSet::of(DatasetKind::Cifar10).unwrap()
    }
}

/// Where a test's set goes.
struct Place {
    around: TempDir,
    folder: PathBuf,
}

impl Place {
    fn new() -> Self {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("set");
        Self { around, folder }
    }

    fn fetch(&self, set: &PublishedSet) -> Result<Fetched, FetchError> {
        self.fetch_within(set, PATIENT)
    }

    fn fetch_within(&self, set: &PublishedSet, patience: Duration) -> Result<Fetched, FetchError> {
        fetch(set, None, &self.folder, patience, &mut |_| ControlFlow::Continue(()))
    }

    /// The labels of what was placed.
    #[track_caller]
    fn assert_placed(&self) {
        let set = Dataset::open(&self.folder, Some(DatasetKind::Cifar10), Conversion::default()).unwrap();
        assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[0, 3, 2][..], &[1, 0][..]));
        assert_eq!(names(self.around.path()), ["set"], "something was left beside the set");
    }

    /// Nothing lies here, whether as a set or hidden.
    #[track_caller]
    fn assert_empty(&self) {
        assert_eq!(names(self.around.path()), [""; 0]);
    }

    /// What came of a download that did not end.
    fn part(&self) -> PathBuf {
        self.around.path().join(".set.fetch").join(format!("{ARCHIVE}.part"))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What each server said.
#[track_caller]
fn refusals(fetched: Result<Fetched, FetchError>) -> Vec<Refusal> {
    let error = fetched.unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    match error {
        FetchError::Refused { refusals, .. } => refusals.into_iter().map(|(_, refusal)| refusal).collect(),
        other => panic!("{other}"),
    }
}

mod a_set {
    use super::*;

    #[test]
    fn is_downloaded_checked_unpacked_and_placed() {
        let (bytes, place) = (sound_archive(), Place::new());
        let server = Server::of(&bytes);
        assert_eq!(place.fetch(&published(&bytes, &[&server])).unwrap(), Fetched::Now);
        place.assert_placed();
        assert_eq!(server.requests(), [Request { path: format!("/{ARCHIVE}"), from: None }]);
    }

    #[test]
    fn of_several_files_is_fetched_file_by_file() {
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
        let place = Place::new();
        let origin: Origin = format!("{}mirror", server.url).parse().unwrap();
        fetch(&set, Some(&origin), &place.folder, PATIENT, &mut |_| ControlFlow::Continue(())).unwrap();
        let placed =
            Dataset::open(&place.folder, Some(DatasetKind::FashionMnist), Conversion::default()).unwrap();
        assert_eq!((placed.train.labels[0], placed.test.image(0)[0]), (7, 9));
        assert_eq!(server.requests().len(), 4);
    }

    #[test]
    fn that_is_there_already_asks_no_server() {
        let (bytes, place) = (sound_archive(), Place::new());
        let server = Server::of(&bytes);
        let set = published(&bytes, &[&server]);
        place.fetch(&set).unwrap();
        assert_eq!(place.fetch(&set).unwrap(), Fetched::Before);
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn may_take_the_place_of_an_empty_folder_and_of_no_other() {
        let (bytes, place) = (sound_archive(), Place::new());
        let server = Server::of(&bytes);
        let set = published(&bytes, &[&server]);
        fs::create_dir(&place.folder).unwrap();
        fs::write(place.folder.join("thesis.tex"), "").unwrap();
        assert!(matches!(place.fetch(&set), Err(FetchError::Occupied { .. })));
        assert_eq!(names(&place.folder), ["thesis.tex"]);
        fs::remove_file(place.folder.join("thesis.tex")).unwrap();
        assert_eq!(place.fetch(&set).unwrap(), Fetched::Now);
        place.assert_placed();
    }

    #[test]
    fn is_not_fetched_twice_at_once() {
        let (bytes, place) = (sound_archive(), Place::new());
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
            let (asked, is_asked) = mpsc::channel::<()>();
            let first = scope.spawn(|| {
                let mut asked = Some(asked);
                fetch(&set, None, &place.folder, PATIENT, &mut |_| {
                    drop(asked.take());
                    ControlFlow::Continue(())
                })
            });
            assert!(is_asked.recv().is_err(), "the first one has begun when its sender is gone");
            assert!(matches!(place.fetch(&set), Err(FetchError::Busy { .. })));
            go.send(()).unwrap();
            assert_eq!(first.join().unwrap().unwrap(), Fetched::Now);
        });
        place.assert_placed();
        assert_eq!(place.fetch(&set).unwrap(), Fetched::Before);
    }

    #[cfg(unix)]
    #[test]
    fn whose_folder_cannot_be_made_is_an_error_that_names_it() {
        let (bytes, place) = (sound_archive(), Place::new());
        let server = Server::of(&bytes);
        fs::write(&place.folder, "a file").unwrap();
        let inside = place.folder.join("inside");
        let fetched =
            fetch(&published(&bytes, &[&server]), None, &inside, PATIENT, &mut |_| ControlFlow::Continue(()));
        assert!(matches!(fetched, Err(FetchError::Disk { .. })));
        assert!(server.requests().is_empty());
        let unnamed = fetch(&published(&bytes, &[]), None, Path::new("/absent/.."), PATIENT, &mut |_| {
            ControlFlow::Continue(())
        });
        assert!(matches!(unnamed, Err(FetchError::NoName { .. })));
    }
}

mod a_download {
    use super::*;

    #[test]
    fn that_breaks_off_goes_on_from_there() {
        let (bytes, place) = (sound_archive(), Place::new());
        let server = Server::start({
            let bytes = bytes.clone();
            move |number, request| Reply::of(&bytes, request).cut(if number < 2 { 1000 } else { usize::MAX })
        });
        place.fetch(&published(&bytes, &[&server])).unwrap();
        place.assert_placed();
        assert_eq!(server.ranges(), [None, Some(1000), Some(2000)]);
    }

    #[test]
    fn that_ended_in_an_error_is_gone_on_with_by_the_next_call() {
        let (bytes, place) = (sound_archive(), Place::new());
        let failing = Server::start({
            let bytes = bytes.clone();
            move |number, request| match number {
                0 => Reply::of(&bytes, request).cut(1000),
                _ => Reply::status("503 Service Unavailable"),
            }
        });
        let refused = refusals(place.fetch(&published(&bytes, &[&failing])));
        assert!(matches!(refused[..], [Refusal::Status(status)] if status == 503));
        assert_eq!(fs::read(place.part()).unwrap(), bytes[..1000]);
        assert!(!place.folder.exists());

        let server = Server::of(&bytes);
        place.fetch(&published(&bytes, &[&server])).unwrap();
        place.assert_placed();
        assert_eq!(server.ranges(), [Some(1000)]);
    }

    #[test]
    fn that_was_whole_when_it_was_interrupted_asks_no_server_again() {
        let (bytes, place) = (sound_archive(), Place::new());
        let server = Server::of(&bytes);
        let set = published(&bytes, &[&server]);
        let fetched = fetch(&set, None, &place.folder, PATIENT, &mut |event| match event {
            Event::Unpacking { .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        assert!(matches!(fetched, Err(FetchError::Interrupted)));
        assert_eq!(fs::read(place.part()).unwrap(), bytes);
        place.fetch(&set).unwrap();
        place.assert_placed();
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn starts_anew_where_the_server_knows_no_ranges() {
        let (bytes, place) = (sound_archive(), Place::new());
        let server = Server::start({
            let bytes = bytes.clone();
            move |number, _| Reply::whole(&bytes).cut(if number == 0 { 1000 } else { usize::MAX })
        });
        place.fetch(&published(&bytes, &[&server])).unwrap();
        place.assert_placed();
        assert_eq!(server.ranges(), [None, Some(1000)]);
    }

    #[test]
    fn starts_anew_where_the_server_gives_another_range_than_was_asked_for() {
        let wrong = "206 Partial Content\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10";
        for answer in [wrong, "416 Range Not Satisfiable\r\nContent-Length: 0"] {
            let (bytes, place) = (sound_archive(), Place::new());
            let server = Server::start({
                let bytes = bytes.clone();
                move |number, request| match number {
                    0 => Reply::of(&bytes, request).cut(1000),
                    1 => Reply::new(answer, [7; 10]).cut(if answer == wrong { 10 } else { 0 }),
                    _ => Reply::of(&bytes, request),
                }
            });
            place.fetch(&published(&bytes, &[&server])).unwrap();
            place.assert_placed();
            assert_eq!(server.ranges(), [None, Some(1000), None]);
        }
    }

    #[test]
    fn whose_beginning_belongs_to_another_file_starts_anew() {
        let (bytes, place) = (sound_archive(), Place::new());
        fs::create_dir(place.part().parent().unwrap()).unwrap();
        let server = Server::of(&bytes);
        for beginning in [vec![7; 1000], vec![7; bytes.len()], vec![7; bytes.len() + 1]] {
            fs::create_dir_all(place.part().parent().unwrap()).unwrap();
            fs::write(place.part(), &beginning).unwrap();
            place.fetch(&published(&bytes, &[&server])).unwrap();
            place.assert_placed();
            fs::remove_dir_all(&place.folder).unwrap();
        }
        assert_eq!(server.ranges(), [Some(1000), None, None, None]);
    }

    #[test]
    fn that_the_user_interrupts_keeps_what_came() {
        let (bytes, place) = (sound_archive(), Place::new());
        let server = Server::of(&bytes);
        let set = published(&bytes, &[&server]);
        let fetched = fetch(&set, None, &place.folder, PATIENT, &mut |event| match event {
            Event::Received { .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        assert!(matches!(fetched, Err(FetchError::Interrupted)));
        let kept = fs::read(place.part()).unwrap();
        assert!(!kept.is_empty() && bytes.starts_with(&kept));
        place.fetch(&set).unwrap();
        place.assert_placed();
    }

    #[test]
    fn follows_redirects_but_not_in_circles() {
        let (bytes, place) = (sound_archive(), Place::new());
        let server = Server::start({
            let bytes = bytes.clone();
            move |_, request| match request.path.as_str() {
                "/elsewhere" => Reply::of(&bytes, request),
                _ => Reply::status("302 Found\r\nLocation: /elsewhere"),
            }
        });
        place.fetch(&published(&bytes, &[&server])).unwrap();
        place.assert_placed();

        let (place, circle) =
            (Place::new(), Server::start(|_, _| Reply::status("302 Found\r\nLocation: /circle")));
        let refused = refusals(place.fetch(&published(&bytes, &[&circle])));
        assert!(
            matches!(&refused[..], [Refusal::Network(reason)] if reason.contains("redirects")),
            "{refused:?}"
        );
        place.assert_empty();
    }
}

mod a_server {
    use super::*;

    /// What is said of a server that replies so; nothing is left then.
    #[track_caller]
    fn refusal(reply: impl Fn(&[u8]) -> Reply + Send + 'static) -> Refusal {
        let (bytes, place) = (sound_archive(), Place::new());
        let archive = bytes.clone();
        let server = Server::start(move |_, _| reply(&archive));
        let refusal = refusals(place.fetch(&published(&bytes, &[&server]))).remove(0);
        place.assert_empty();
        refusal
    }

    #[test]
    fn that_has_not_the_file_is_told_of_with_its_status() {
        for (answer, said) in
            [("404 Not Found", 404), ("500 Internal Server Error", 500), ("403 Forbidden", 403)]
        {
            let refusal = refusal(move |_| Reply::status(answer));
            assert!(matches!(refusal, Refusal::Status(status) if status == said));
            assert_eq!(refusal.to_string(), format!("it answered {answer}"));
        }
    }

    #[test]
    fn that_sends_a_web_page_is_seen_through() {
        let page = "\n <!DOCTYPE html><html>Please accept our cookies</html>";
        let by_type = refusal(move |archive| {
            let head = format!(
                "200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}",
                archive.len()
            );
            Reply::new(head, archive)
        });
        let by_content = refusal(move |_| Reply::new("200 OK", page));
        assert!(matches!((by_type, by_content), (Refusal::Page, Refusal::Page)));
        let by_length = refusal(move |_| Reply::whole(page.as_bytes()));
        assert!(matches!(by_length, Refusal::Length { announced: 55, .. }), "{by_length}");
    }

    #[test]
    fn that_announces_another_length_is_refused_before_its_bytes_are_read() {
        let refused = refusal(|archive| Reply::whole(&archive[1..]));
        assert!(matches!(refused, Refusal::Length { announced, expected } if announced + 1 == expected));
    }

    #[test]
    fn that_sends_no_end_is_stopped_at_the_files_length() {
        let refused = refusal(|archive| Reply::new("200 OK", [archive, &[0; 1000]].concat()));
        assert!(matches!(refused, Refusal::TooLong { .. }), "{refused}");
    }

    #[test]
    fn that_sends_nothing_is_given_up() {
        let (bytes, place) = (sound_archive(), Place::new());
        let server = Server::start({
            let bytes = bytes.clone();
            move |number, request| match number {
                0 => Reply::of(&bytes, request).cut(1000).then(Then::Hang),
                1 => Reply::of(&bytes, request).cut(0).then(Then::Hang),
                _ => panic!("it was asked again although it had sent nothing"),
            }
        });
        let refused = refusals(place.fetch_within(&published(&bytes, &[&server]), IMPATIENT));
        assert!(matches!(refused[..], [Refusal::Silent { .. }]), "{refused:?}");
        assert_eq!(fs::read(place.part()).unwrap().len(), 1000);
    }

    #[test]
    fn that_sends_other_bytes_is_refused_by_their_hash() {
        let refused = refusal(|archive| Reply::whole(&vec![7; archive.len()]));
        assert!(matches!(&refused, Refusal::Hash { found, expected } if found != expected), "{refused}");
    }

    #[test]
    fn that_does_not_listen_is_told_of() {
        let (bytes, place) = (sound_archive(), Place::new());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let homes = vec![format!("http://127.0.0.1:{port}/")];
        let refused = refusals(place.fetch(&PublishedSet { homes, ..published(&bytes, &[]) }));
        assert!(matches!(&refused[..], [Refusal::Network(_)]), "{refused:?}");
        place.assert_empty();
    }

    #[test]
    fn that_fails_is_followed_by_the_next_one() {
        let (bytes, place) = (sound_archive(), Place::new());
        let archive = bytes.clone();
        let wrong = Server::start(move |_, _| Reply::whole(&vec![7; archive.len()]));
        let absent = Server::start(|_, _| Reply::status("404 Not Found"));
        let sound = Server::of(&bytes);
        let mut told = Vec::new();
        fetch(&published(&bytes, &[&wrong, &absent, &sound]), None, &place.folder, PATIENT, &mut |event| {
            if let Event::Refused { url, refusal } = event {
                told.push(format!("{url} {refusal}"));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        place.assert_placed();
        assert!(told[0].contains("SHA-256") && told[1].contains("404") && told.len() == 2, "{told:?}");
    }

    #[test]
    fn that_fails_with_all_others_is_listed_with_what_each_said() {
        let (bytes, place) = (sound_archive(), Place::new());
        let servers = ["404 Not Found", "502 Bad Gateway"]
            .map(|status| Server::start(move |_, _| Reply::status(status)));
        let error = place.fetch(&published(&bytes, &[&servers[0], &servers[1]])).unwrap_err().to_string();
        let expected = format!(
            "cannot fetch {ARCHIVE}: {}{ARCHIVE}: it answered 404 Not Found; {}{ARCHIVE}: it answered 502 Bad Gateway",
            servers[0].url, servers[1].url
        );
        assert_eq!(error, expected);
        place.assert_empty();
    }
}

mod an_archive_with_the_right_hash {
    use super::*;

    /// It is refused with a line that has these in it, and nothing is placed, here or elsewhere.
    #[track_caller]
    fn assert_refused(bytes: &[u8], says: &[&str]) {
        let place = Place::new();
        let server = Server::of(bytes);
        let error = place.fetch(&published(bytes, &[&server])).unwrap_err();
        assert!(matches!(error, FetchError::Unpack(_)), "{error}");
        let line = error.to_string();
        for part in says {
            assert!(line.contains(part), "{part:?} is not in: {line}");
        }
        assert!(!line.contains('\n'), "{line}");
        // What was downloaded is what was promised, so it stays; of what was unpacked nothing does.
        assert_eq!(names(place.around.path()), [".set.fetch"]);
        let mut kept = names(place.part().parent().unwrap());
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
    fn and_an_entry_that_would_leave_the_folder_is_refused() {
        for name in ["../evil", "/tmp/evil", "a/../../evil", ".."] {
            let says = [&format!("{name:?}")[..], "outside of the archive's folder"];
            assert_refused(&with_entry(tar::EntryType::Regular, name), &says);
        }
    }

    #[test]
    fn and_an_entry_that_is_no_file_is_refused() {
        for (kind, what) in [
            (tar::EntryType::Symlink, "a link"),
            (tar::EntryType::Link, "a link"),
            (tar::EntryType::Fifo, "a device or a pipe"),
            (tar::EntryType::Char, "a device or a pipe"),
            (tar::EntryType::Block, "a device or a pipe"),
            (tar::EntryType::GNUSparse, "of an unknown kind"),
        ] {
            assert_refused(&with_entry(kind, "evil"), &["\"evil\"", what, "only files and folders"]);
        }
    }

    #[test]
    fn that_is_cut_off_or_no_archive_is_refused() {
        let whole = sound_archive();
        for end in [whole.len() / 2, whole.len() - 8] {
            assert_refused(&whole[..end], &["cannot be unpacked as a .tar.gz"]);
        }
        assert_refused(b"not packed at all", &["cannot be unpacked as a .tar.gz"]);
        assert_refused(&gzip(&[7; 2000]), &["cannot be unpacked as a .tar.gz"]);
    }
}

mod the_command {
    use super::*;
    use assert_cmd::Command;
    use predicates::prelude::*;
    use predicates::str::{contains, is_empty};

    /// The length that the first of MNIST's files has, so that a server is listened to.
    const LENGTH: usize = 9_912_422;

    fn lenet_gpu(cache: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lenet-gpu"));
        command.env("LENET_GPU_CACHE", cache);
        command
    }

    #[test]
    fn refuses_bytes_that_are_not_the_official_ones_and_leaves_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(|_, _| Reply::whole(&vec![7; LENGTH]));
        lenet_gpu(cache.path())
            .args(["data", "fetch", "mnist", "--from", &server.url])
            .assert()
            .code(1)
            .stdout(is_empty())
            .stderr(contains("error: cannot fetch train-images-idx3-ubyte.gz").and(contains("SHA-256 ")));
        assert_eq!(names(cache.path()), [""; 0]);
    }

    #[test]
    fn takes_only_sets_that_it_knows_and_urls_of_the_web() {
        let cache = tempfile::tempdir().unwrap();
        let fetch =
            |arguments: &[&str]| lenet_gpu(cache.path()).args(["data", "fetch"]).args(arguments).assert();
        fetch(&["imagenet"]).code(2).stderr(contains("mnist, cifar10 or fashion-mnist"));
        fetch(&["cifar10", "--from", "/home"]).code(2).stderr(contains("--from").and(contains("http")));
        fetch(&["cifar10", "--timeout", "0"]).code(2).stderr(contains("--timeout"));
        let occupied = env!("CARGO_MANIFEST_DIR");
        fetch(&["cifar10", "--to", occupied]).code(2).stderr(contains("holds something else than cifar10"));
        lenet_gpu(cache.path())
            .args(["data", "fetch", "--help"])
            .assert()
            .success()
            .stdout(contains("Examples:"));
    }

    #[cfg(unix)]
    #[test]
    fn ends_at_a_full_disk_and_names_the_file() {
        let cache = tempfile::tempdir().unwrap();
        let server = Server::start(|_, _| Reply::whole(&vec![7; LENGTH]));
        // A limit on the size of files stands for the disk.
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
    fn that_is_interrupted_keeps_what_came_and_ends_with_130() {
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
            assert!(started.elapsed() < PATIENT, "the download does not begin");
            thread::sleep(Duration::from_millis(10));
        }
        let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.contains("the same command goes on"), "{stderr}");
        assert!(part.is_file());
    }

    #[test]
    fn train_finds_what_lies_in_the_cache_and_else_says_how_to_have_it_there() {
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
        assert!(!run_dir.exists(), "a run that never began left a folder");

        let list = || lenet_gpu(cache.path()).args(["data", "list"]).assert().success();
        list().stdout(contains("not here: lenet-gpu data fetch cifar10"));
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
fn what_can_be_downloaded_has_servers_and_whole_hashes() {
    for kind in [DatasetKind::Mnist, DatasetKind::FashionMnist, DatasetKind::Cifar10] {
        let set = PublishedSet::of(kind).unwrap();
        assert!(set.homes.len() >= 2, "{kind} has one home, which may be gone some day");
        for home in &set.homes {
            assert!(home.parse::<Origin>().is_ok() && home.ends_with('/'), "{home}");
        }
        for file in &set.files {
            let is_digit = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
            assert!(file.sha256.len() == 64 && file.sha256.chars().all(is_digit), "{}", file.sha256);
            assert!(file.name.ends_with(".gz") && file.length > 0);
        }
    }
}

#[test]
fn an_origin_is_a_url_of_the_web() {
    for text in ["http://127.0.0.1:8000", "https://example.org/sets/", "https://example.org/a.tar.gz?raw=1"] {
        assert!(text.parse::<Origin>().is_ok(), "{text}");
    }
    for text in
        ["", "example.org", "/home/me/sets", "file:///sets/", "ftp://example.org/", "https://", "http://a b/"]
    {
        assert!(text.parse::<Origin>().is_err(), "{text}");
    }
}
