//! The curves of the best settings.

use crate::cli::report::chart;
use crate::cli::sweep::report::subject::Subject;
use crate::report::curves::Metric as CurveMetric;
use crate::report::page::{Html, columns, intro};
use crate::report::sweep::{Curves, MAX_CURVES, curves};
use crate::sweep::{MemberStatus, Metric};

pub fn body(subject: &Subject) -> Html {
    let ranked = subject.ranking.iter().take(MAX_CURVES).enumerate();
    let settings: Vec<Curves> = ranked
        .filter_map(|(rank, summary)| {
            let of_setting = subject.results_of(summary.setting).iter().copied();
            let members: Vec<_> = of_setting
                .filter(|result| result.status != MemberStatus::Failed && !result.epochs.is_empty())
                .map(|result| &result.epochs[..])
                .collect();
            let name = format!("{}: {}", rank + 1, subject.setting(summary.setting));
            (!members.is_empty()).then_some(Curves { name, members })
        })
        .collect();
    let metric = match subject.sweep.config.metric {
        Metric::ValidationAccuracy => CurveMetric::ValidationAccuracy,
        Metric::ValidationLoss => CurveMetric::ValidationLoss,
        Metric::TestAccuracy => CurveMetric::TestAccuracy,
        Metric::TestLoss => CurveMetric::TestLoss,
    };
    let drawn = [metric, CurveMetric::TrainLoss].map(|metric| curves(metric, &settings));
    let charts: Vec<Html> =
        drawn.into_iter().flatten().map(|figure| chart(&figure.title, &figure, "")).collect();
    if charts.is_empty() {
        return Html::default();
    }
    let mut text = match settings.len() {
        1 => "By epoch.".to_owned(),
        shown => format!("The best {shown} settings by epoch, numbered by rank."),
    };
    if settings.iter().any(|setting| setting.members.len() > 1) {
        text += " A line is the mean over the seeds; its band reaches from the lowest to the highest.";
    }
    if subject.measure.is_accuracy {
        text += " The error is 100 % minus the accuracy.";
    }
    let mut html = intro(&text);
    html.push(&columns(charts));
    html
}
