//! Which requests are allowed, and the headers that confine the pages.
//!
//! A page of another site can make the user's browser send requests to this server. Two checks keep it out:
//! - *Host.* A site can let its own name resolve to 127.0.0.1 (DNS rebinding), and then counts as the same origin. The Host
//!   header has the site's name then, so only `localhost` and IP addresses are accepted. The port is not compared: it may
//!   differ if it is forwarded (`ssh -L`, containers), and the origin includes it.
//! - *Origin.* Browsers send Origin with every POST, and Sec-Fetch-Site with every request. Requests to the API from another
//!   origin, which includes other ports of this machine, are refused. Programs such as curl send neither.

use std::net::IpAddr;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::error::ApiError;

/// Scripts and styles are files of this server, so markup that slipped into a page could neither run nor load anything.
/// Images are also drawn from bytes that the page has received or the user has chosen.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The headers of all answers. Nothing is cached, because another version of the program may be next to use the port.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (CACHE_CONTROL, "no-store"),
];

/// Adds the headers that every answer has.
pub fn confine(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Decides which requests are allowed.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// The address that the server listens on.
    pub address: IpAddr,
}

impl Guard {
    /// Checks where a request comes from and whom it is addressed to.
    pub fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = sole(headers, &HOST)?.ok_or_else(|| ApiError::bad_request("missing Host header"))?;
        // A request can also name its host in the first line: `GET http://host/ HTTP/1.1`.
        for host in [Some(host), uri.authority().map(Authority::as_str)].into_iter().flatten() {
            if !self.is_own(host)? {
                return Err(ApiError::forbidden(
                    "this server answers only to localhost and to its IP address; use the address that it printed",
                ));
            }
        }
        // Links from other sites lead to pages; only these pages use the API.
        if [Method::GET, Method::HEAD].contains(method) && !uri.path().starts_with("/api/") {
            return Ok(());
        }
        let foreign = || ApiError::forbidden("requests of other sites are refused");
        // An opaque origin is "null".
        if sole(headers, &ORIGIN)?
            .is_some_and(|origin| !origin.eq_ignore_ascii_case(&format!("http://{host}")))
        {
            return Err(foreign());
        }
        match sole(headers, &HeaderName::from_static("sec-fetch-site"))? {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) => Err(foreign()),
        }
    }

    /// Whether a host is this server's: `localhost` or the address that it listens on, or any IP address if it listens on
    /// all of the machine's. No site can have an IP address as its name.
    fn is_own(&self, host: &str) -> Result<bool, ApiError> {
        let malformed = || ApiError::bad_request("malformed host");
        let authority: Authority = host.parse().map_err(|_| malformed())?;
        if host.contains('@') || host.ends_with(':') {
            return Err(malformed());
        }
        let name = authority.host();
        let is_local = self.address.is_loopback() || self.address.is_unspecified();
        if name.eq_ignore_ascii_case("localhost") {
            return Ok(is_local);
        }
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let Ok(address) = name.parse::<IpAddr>() else { return Ok(false) };
        Ok(self.address.is_unspecified() || address == self.address || is_local && address.is_loopback())
    }
}

/// The value of a header that must not occur twice.
fn sole<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    match (first.map(HeaderValue::to_str), second) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(ApiError::bad_request(format_args!("malformed {name} header"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: Guard, method: Method, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let checked = guard.check(&method, &path.parse().unwrap(), &map);
        checked.map_or_else(|error| error.status.as_u16(), |()| 200)
    }

    #[test]
    fn only_own_names_are_hosts() {
        let (loopback, all, lan) = ("127.0.0.1", "0.0.0.0", "192.168.1.5");
        for (address, host, expected) in [
            (loopback, "localhost:8080", 200),
            (loopback, "LOCALHOST", 200),
            (loopback, "127.0.0.1:9", 200),
            (loopback, "[::1]:8080", 200),
            (loopback, "192.168.1.5:8080", 403),
            (loopback, "evil.example:8080", 403),
            (loopback, "localhost.evil.example", 403),
            (loopback, "127.0.0.1.evil.example", 403),
            (loopback, "2130706433", 403),
            (loopback, "user@localhost", 400),
            (loopback, "local host", 400),
            (loopback, "localhost:", 400),
            (loopback, "", 400),
            (all, "192.168.1.5:8080", 200),
            (all, "localhost", 200),
            (all, "machine.local", 403),
            (lan, "192.168.1.5", 200),
            (lan, "192.168.1.6", 403),
            (lan, "localhost", 403),
        ] {
            let guard = Guard { address: address.parse().unwrap() };
            assert_eq!(status(guard, Method::GET, "/", &[("host", host)]), expected, "{address} {host:?}");
        }
        let guard = Guard { address: loopback.parse().unwrap() };
        assert_eq!(status(guard, Method::GET, "/", &[]), 400);
        assert_eq!(status(guard, Method::GET, "/", &[("host", "localhost"), ("host", "localhost")]), 400);
        let foreign = Uri::from_static("http://evil.example/");
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost"))]);
        assert_eq!(guard.check(&Method::GET, &foreign, &headers).unwrap_err().status, 403);
    }

    #[test]
    fn questions_of_other_sites_are_refused() {
        let guard = Guard { address: "127.0.0.1".parse().unwrap() };
        let host = ("host", "localhost:8080");
        for (headers, expected) in [
            (&[host][..], 200),
            (&[host, ("origin", "http://localhost:8080")], 200),
            (&[host, ("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")], 200),
            (&[host, ("origin", "http://localhost:9090")], 403),
            (&[host, ("origin", "https://localhost:8080")], 403),
            (&[host, ("origin", "http://127.0.0.1:8080")], 403),
            (&[host, ("origin", "http://evil.example")], 403),
            (&[host, ("origin", "null")], 403),
            (&[host, ("sec-fetch-site", "cross-site")], 403),
            (&[host, ("sec-fetch-site", "same-site")], 403),
            (&[host, ("sec-fetch-site", "none")], 200),
        ] {
            for (method, path) in [(Method::POST, "/api/predict"), (Method::GET, "/api/models")] {
                assert_eq!(status(guard, method, path, headers), expected, "{path} {headers:?}");
            }
        }
        let link = [host, ("sec-fetch-site", "cross-site")];
        assert_eq!(status(guard, Method::GET, "/", &link), 200);
    }
}
