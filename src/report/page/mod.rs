//! Pages: self-contained HTML files without scripts and without requests.
//!
//! A [`Page`] has a head with the most important numbers, and sections whose content is [`Html`]. The markup is also
//! well-formed XML. Its colours are the variables of [`THEME`], which has a light and a dark scheme.

mod elements;
mod html;
mod sprite;

pub use elements::{
    DataTable, Tile, Tone, badge, bar, card, columns, command, details, figure, gallery, intro, listing,
    notice, pairs, tiles,
};
pub use html::Html;
pub use sprite::{Area, Pixel, Sprite};

/// The style sheet that all pages share, those of the web server too: colours as variables, type, cards, tables.
pub const THEME: &str = include_str!("theme.css");

/// The layout of pages.
const LAYOUT: &str = include_str!("page.css");

/// What the page may load: its own styles and the images that it contains.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A self-contained HTML page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// What the page is about: the heading and the title of the window.
    pub title: String,
    /// What kind of page it is, above the title: "Training run".
    pub kind: String,
    /// A state beside the title, and whether it is good news.
    pub state: Option<(String, Tone)>,
    /// Facts in one line below the title.
    pub facts: Vec<String>,
    /// Content before the sections that is not in the table of contents: tiles and notices.
    pub lead: Html,
    /// The sections, in order.
    pub sections: Vec<Section>,
    /// The last line.
    pub footer: String,
}

/// A section of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The anchor, unique on the page: lower-case letters and hyphens.
    pub id: &'static str,
    /// The heading, which is also in the table of contents.
    pub title: String,
    /// The content.
    pub body: Html,
}

impl Section {
    /// A section with this content.
    pub fn new(id: &'static str, title: impl Into<String>, body: Html) -> Self {
        Self { id, title: title.into(), body }
    }
}

impl Page {
    /// Returns the HTML file.
    pub fn to_html(&self) -> String {
        let Self { title, kind, state, facts, lead, sections, footer } = self;
        let title = Html::text(title);
        let mut page = Html::default();
        page.markup("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
        page.markup(&format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n"));
        page.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
        page.markup("<meta name=\"color-scheme\" content=\"light dark\"/>\n");
        page.markup(&format!(
            "<title>{title}</title>\n<style>\n{THEME}\n{LAYOUT}</style>\n</head>\n<body>\n"
        ));
        page.markup("<a class=\"skip\" href=\"#content\">Skip to the content</a>\n");
        let has_contents = sections.len() > 1;
        let class = if has_contents { "frame with-contents" } else { "frame" };
        page.markup(&format!("<div class=\"{class}\">\n<header class=\"head\">\n"));
        if !kind.is_empty() {
            page.markup(&format!("<p class=\"kind\">{}</p>\n", Html::text(kind)));
        }
        page.markup(&format!("<div class=\"title\"><h1>{title}</h1>"));
        if let Some((text, tone)) = state {
            page.push(&badge(text, *tone));
        }
        page.markup("</div>\n");
        if !facts.is_empty() {
            page.markup(&format!("<p class=\"facts\">{}</p>\n", Html::text(&facts.join(" · "))));
        }
        page.markup("</header>\n");
        if !lead.is_empty() {
            page.markup(&format!("<div class=\"lead\">\n{lead}</div>\n"));
        }
        if has_contents {
            page.markup("<nav class=\"contents\" aria-label=\"Contents\"><ul>\n");
            for section in sections {
                let (id, title) = (section.id, Html::text(&section.title));
                page.markup(&format!("<li><a href=\"#{id}\">{title}</a></li>\n"));
            }
            page.markup("</ul></nav>\n");
        }
        page.markup("<main id=\"content\">\n");
        for Section { id, title, body } in sections {
            let title = Html::text(title);
            page.markup(&format!("<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n"));
            page.markup(&format!("<h2 id=\"{id}-title\">{title}</h2>\n{body}</section>\n"));
        }
        page.markup("</main>\n</div>\n");
        if !footer.is_empty() {
            page.markup(&format!("<div class=\"frame\"><footer>{}</footer></div>\n", Html::text(footer)));
        }
        page.markup("</body>\n</html>\n");
        page.into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "</style><script>alert(\"1\")</script>&amp;\u{0}\u{202e}'";

    fn page() -> Page {
        let mut table = DataTable::new("scores", [HOSTILE, "images"]).numbers(1..2);
        table.row([Html::text(HOSTILE), Html::text("7")]);
        let mut body = intro(HOSTILE);
        body.push(&columns([
            card(HOSTILE, &table.to_html()),
            card("b", &pairs([(HOSTILE, Html::text(HOSTILE))])),
        ]));
        body.push(&notice(Tone::Warning, HOSTILE));
        body.push(&command(HOSTILE));
        body.push(&details(HOSTILE, &Sprite::new(2, 3).to_html(4, HOSTILE)));
        let area = Area { x: 0, y: 0, width: 2, height: 2 };
        body.push(&Sprite::new(2, 3).definition("sprite"));
        body.push(&gallery([(area.view("sprite", HOSTILE), Html::text(HOSTILE))]));
        body.push(&listing(HOSTILE));
        body.push(&bar(0.5));
        body.push(&figure(&Html::default(), HOSTILE));
        let tile =
            Tile { label: HOSTILE.into(), value: HOSTILE.into(), unit: HOSTILE.into(), note: HOSTILE.into() };
        Page {
            title: HOSTILE.into(),
            kind: HOSTILE.into(),
            state: Some((HOSTILE.into(), Tone::Bad)),
            facts: vec![HOSTILE.into()],
            lead: tiles([tile]),
            sections: vec![
                Section::new("a", HOSTILE, body.clone()),
                Section::new("b", "B", Html::text(HOSTILE)),
            ],
            footer: HOSTILE.into(),
        }
    }

    #[test]
    fn a_page_is_well_formed_and_escapes_hostile_text() {
        let html = page().to_html();
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
        let document = roxmltree::Document::parse_with_options(&html, options).unwrap();
        assert!(!document.descendants().any(|node| node.has_tag_name("script")));
        let heading = document.descendants().find(|node| node.has_tag_name("h1")).unwrap();
        let shown = "</style><script>alert(\"1\")</script>&amp;\\u{0}\\u{202e}'";
        assert_eq!(heading.text(), Some(shown));
        let alternative = document.descendants().find_map(|node| node.attribute("alt")).unwrap();
        assert_eq!(alternative, shown);
    }

    #[test]
    fn a_page_requests_nothing() {
        let html = page().to_html();
        // The only address is the name of a namespace.
        let html = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("url("), "{html}");
        assert!(html.contains("default-src 'none'"), "{html}");
    }

    #[test]
    fn style_sheets_are_the_same_text_in_html_and_xml() {
        for css in [THEME, LAYOUT] {
            assert!(!css.contains(['<', '&']), "{css}");
        }
    }
}
