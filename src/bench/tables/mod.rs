//! Results as Markdown tables, which are readable on a terminal too.

mod cells;
mod comparison;
mod kernels;
mod population;
mod startup;
mod throughput;
mod work;

pub use kernels::counts;

use super::results::Results;
use super::warnings::warnings;
use crate::version::VERSION_WITH_COMMIT;
use crate::wording::{count, whole};

/// Formats results and, if there are earlier ones, the comparison with them.
pub fn to_markdown(results: &Results, old: Option<&Results>) -> String {
    let (results, old) = (&results.escaped(), old.map(Results::escaped));
    let mut sections = vec![head(results), throughput::table(results), work::table(results)];
    sections.extend(population::table(results));
    sections.extend(results.engines.iter().filter_map(|engine| kernels::table(results, engine)));
    sections.push(startup::table(results));
    sections.extend(old.map(|old| comparison::table(&old, results)));
    sections.join("\n")
}

fn head(results: &Results) -> String {
    let Results { date, machine, images, settings, .. } = results;
    let mut text = format!(
        "# Benchmark of {date}\n\n\
         lenet-gpu {VERSION_WITH_COMMIT} on {}, {}, {} {}.\n\
         {} of {}×{}×{}: {}. Medians of {} runs, {:.3} s in total, ± the robust standard deviation.\n",
        machine.cpu.as_deref().unwrap_or("an unknown processor"),
        count(machine.threads, "thread"),
        machine.os,
        machine.architecture,
        count(whole(images.count as u64), "image"),
        images.channels,
        images.height,
        images.width,
        images.name,
        settings.repeats,
        settings.seconds,
    );
    for engine in &results.engines {
        let driver = engine.adapter.as_ref().map_or_else(String::new, |it| format!(", driver {}", it.driver));
        text += &format!("{} is {}{driver}.\n", engine.label, engine.name);
    }
    for warning in warnings(results) {
        text += &format!("\nWarning: {warning}.\n");
    }
    text
}
