//! Listens, and serves each connection within limits.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::error::ServeError;
use super::guard::Guard;
use super::routes::{self, App};

/// The most connections at once. More wait until one is closed.
const MAX_CONNECTIONS: usize = 64;

/// The most threads that read lists of models and save corrections.
const MAX_BLOCKING: usize = 4;

/// The time in which the head of a request must arrive; idle connections are closed after it, too.
const HEAD_TIME: Duration = Duration::from_secs(15);

/// The most bytes of a request's head.
const MAX_HEAD: usize = 16 << 10;

/// The most headers of a request.
const MAX_HEADERS: usize = 64;

/// How often the server checks whether it should end.
const TICK: Duration = Duration::from_millis(50);

/// How long requests that are under way may take when the server ends, and how long sending their answers may then take.
const GRACE: Duration = Duration::from_secs(3);
const LINGER: Duration = Duration::from_millis(200);

/// A server that listens but does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on a port; 0 chooses a free one.
    ///
    /// # Errors
    /// [`ServeError::Listen`] if that is not possible, for example because the port is in use.
    pub fn listen(address: IpAddr, port: u16) -> Result<Self, ServeError> {
        let address = SocketAddr::new(address, port);
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        listen().map_err(|source| ServeError::Listen { address, source })
    }

    /// The address to open in a browser on this machine.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}/")
    }

    /// Decides which requests are allowed.
    pub fn guard(&self) -> Guard {
        Guard { address: self.address.ip() }
    }

    /// Answers requests on this thread until `is_stopped`, and then those that are under way.
    ///
    /// # Errors
    /// [`ServeError::Run`] if the runtime cannot start.
    pub fn run(self, app: App, is_stopped: &dyn Fn() -> bool) -> Result<(), ServeError> {
        // One thread suffices: it only moves bytes, and images are computed on others.
        let runtime =
            runtime::Builder::new_current_thread().enable_all().max_blocking_threads(MAX_BLOCKING).build()?;
        let served = runtime.block_on(serve(self.listener, Arc::new(app), is_stopped));
        runtime.shutdown_timeout(GRACE);
        Ok(served?)
    }
}

async fn serve(listener: TcpListener, app: Arc<App>, is_stopped: &dyn Fn() -> bool) -> std::io::Result<()> {
    let router = routes::router(Arc::clone(&app));
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let ending = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    while !is_stopped() {
        while connections.try_join_next().is_some() {}
        let Ok(Ok(permit)) = timeout(TICK, Arc::clone(&permits).acquire_owned()).await else { continue };
        match timeout(TICK, listener.accept()).await {
            Ok(Ok((stream, _))) => {
                let (router, ending) = (router.clone(), ending.subscribe());
                connections.spawn(async move {
                    serve_connection(stream, router, ending).await;
                    drop(permit);
                });
            }
            // The connection is gone already, or the process has too many files open.
            Ok(Err(error)) => {
                log::info!("cannot accept a connection: {error}");
                sleep(TICK).await;
            }
            Err(_) => {}
        }
    }
    ending.send_replace(true);
    let deadline = Instant::now() + GRACE;
    loop {
        let is_idle = app.is_idle();
        let closed = async { while connections.join_next().await.is_some() {} };
        let closed = timeout(if is_idle { LINGER } else { TICK }, closed).await;
        // Browsers open connections that they may never use.
        if closed.is_ok() || is_idle || Instant::now() >= deadline {
            return Ok(());
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router, mut ending: watch::Receiver<bool>) {
    // Answers are small, and should not wait for more.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let mut has_end = pin!(async move {
        let _ = ending.wait_for(|&is_ending| is_ending).await;
    });
    let mut is_ending = false;
    let served = poll_fn(|context| {
        if !is_ending && has_end.as_mut().poll(context).is_ready() {
            is_ending = true;
            // Ends the connection after the request that is under way.
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    });
    if let Err(error) = served.await {
        log::info!("a connection failed: {error}");
    }
}
