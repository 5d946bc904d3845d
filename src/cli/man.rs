//! `lenet-gpu man`.
//!
//! clap_mangen writes the parts that follow from the options. What comes after the options in `--help`, with examples in
//! columns, is laid out here, because as running text it would not be readable.

use std::fmt::Write;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::{Cli, Ending, Failure, Output, notice, progress};
use crate::files::{operations::create_folders, write_output};
use crate::version::VERSION;
use crate::wording::count;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu man man1 && man ./man1/lenet-gpu-train.1
          read the page of `lenet-gpu train`
  lenet-gpu man ~/.local/share/man/man1
          for `man lenet-gpu`";

/// Write manual pages, one per command
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ManArgs {
    /// Folder for lenet-gpu.1, lenet-gpu-train.1 and so on; pages that exist are replaced
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(args: &ManArgs, _: &mut Output) -> Result<Ending, Failure> {
    let folder = &args.folder;
    create_folders(folder).map_err(|source| {
        let message = format!("cannot create the folder {}", folder.display());
        Failure::unreadable(message, "DIR is the folder for the pages, such as man1", source)
    })?;
    let pages = pages();
    for (name, page) in &pages {
        write_output(&folder.join(name), page.as_bytes()).map_err(Failure::work)?;
    }
    if !progress::is_disabled() {
        let pages = count(pages.len(), "manual page");
        notice::note(format_args!("wrote {pages} to {}", folder.display()));
    }
    Ok(Ending::Done)
}

/// The name and the content of every page.
fn pages() -> Vec<(String, String)> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add_pages(&command, &mut pages);
    pages
}

fn add_pages(command: &Command, pages: &mut Vec<(String, String)>) {
    pages.push(page(command));
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        add_pages(command, pages);
    }
}

fn page(command: &Command) -> (String, String) {
    // The usage of `--help`: clap_mangen would list every option.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().to_owned();
    let after_help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let command = command.clone().override_usage(usage).after_help(Resettable::Reset);
    let man = Man::new(command);
    let mut page = Vec::new();
    man.render(&mut page).expect("writing to memory does not fail");
    let page = String::from_utf8(page).expect("the pages are UTF-8");
    let lines = page.lines().map(|line| if line.starts_with(".TH ") { title(line) } else { line.to_owned() });
    let page: String = lines.map(|line| line + "\n").collect();
    (man.get_filename(), page + &sections(&after_help))
}

/// The line with a page's title, completed: clap_mangen leaves out a date that is empty, and with it the places of what
/// follows. There is no date, so that the pages do not depend on the day. Commands are neither stretched nor hyphenated.
fn title(line: &str) -> String {
    let name = line.split(' ').nth(1).unwrap_or_default();
    format!(".TH {} 1 \"\" \"lenet\\-gpu {VERSION}\" \"lenet\\-gpu manual\"\n.ad l\n.nh", name.to_uppercase())
}

/// The text after the options: headings that end with a colon, lines of two columns, examples with their explanation
/// below them, and paragraphs.
fn sections(text: &str) -> String {
    let mut page = String::new();
    let mut add = |macros: &str, text: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(page, "{macros}{}", escaped(text));
    };
    let mut was_empty = false;
    for line in text.lines() {
        let indentation = line.len() - line.trim_start().len();
        let content = line.trim();
        match (indentation, content.strip_suffix(':')) {
            _ if content.is_empty() => {}
            (0, Some(heading)) => add(".SH ", &heading.to_uppercase()),
            (0, None) if content.starts_with("Exit codes: ") => {
                add(".SH EXIT STATUS\n", &content["Exit codes: ".len()..]);
            }
            (0, None) if was_empty => add(".PP\n", content),
            (1..=4, _) => {
                let (term, explanation) = content.split_once("  ").unwrap_or((content, ""));
                add(".TP\n\\fB", &format!("{term}\u{1}"));
                if !explanation.is_empty() {
                    add("", explanation.trim());
                }
            }
            _ => add("", content),
        }
        was_empty = content.is_empty();
    }
    page
}

/// Text as roff reads it. U+0001 ends bold text.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\u{1}', "\\fR");
    // roff reads these as ASCII or as typographic quotes otherwise.
    let text = text.replace('\'', "\\(aq").replace('`', "\\(ga").replace('~', "\\(ti").replace('^', "\\(ha");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let names: Vec<_> = pages().into_iter().map(|(name, _)| name).collect();
        for name in ["lenet-gpu.1", "lenet-gpu-train.1", "lenet-gpu-data-fetch.1", "lenet-gpu-man.1"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        assert!(names.iter().all(|name| !name.contains("help")));
    }

    #[test]
    fn the_text_after_the_options_becomes_sections() {
        let text = "Examples:\n  a --b\n          does c\n  d   e 'f'\n\nFiles of a run:\n  .lock  a \\\n\nSee `g`.\nMore.";
        let expected = ".SH EXAMPLES\n.TP\n\\fBa \\-\\-b\\fR\ndoes c\n.TP\n\\fBd\\fR\ne \\(aqf\\(aq\n.SH FILES OF A RUN\n.TP\n\
                        \\fB\\&.lock\\fR\na \\e\n.PP\nSee \\(gag\\(ga.\nMore.\n";
        assert_eq!(sections(text), expected);
        assert_eq!(sections("Exit codes: 0 success."), ".SH EXIT STATUS\n0 success.\n");
    }
}
