//! The options that the user gave, and what the run was configured to do.

use crate::cli::report::numbers::name_of;
use crate::cli::report::subject::Subject;
use crate::engine::{Adam, Rule, Sgd};
use crate::model::Frozen;
use crate::report::page::{DataTable, Html, card, columns, details, listing, pairs};
use crate::train::{InitialWeights, RunConfig, StoredRun};
use crate::wording::{count, whole};

pub fn body(subject: &Subject) -> Html {
    let run = &subject.run;
    let mut html =
        columns([card("Options that were given", &given(run)), card("Training", &training(&run.config))]);
    html.push(&details("All settings (config.toml)", &listing(&run.config.to_toml())));
    html
}

fn given(run: &StoredRun) -> Html {
    let options = run.non_default_options();
    if options.is_empty() {
        return Html::text("None: all options have their defaults.");
    }
    let mut table = DataTable::new("Options that were given", ["Option", "Value"]);
    for (name, value) in options {
        table.row([Html::code(&format!("--{name}")), Html::code(&value)]);
    }
    table.to_html()
}

fn training(config: &RunConfig) -> Html {
    let RunConfig { training, optimizer, network, data, .. } = config;
    let steps = training.total_steps(data.train);
    let length = match training.epochs {
        epochs if steps < u64::MAX => format!("{}, {}", count(epochs, "epoch"), count(whole(steps), "step")),
        epochs => count(epochs, "epoch"),
    };
    let mut all = vec![
        ("Length", length),
        ("Batch size", count(whole(training.batch_size as u64), "image")),
        ("Learning rate", format!("{}, {}", training.learning_rate, name_of(&training.schedule.shape))),
        ("Optimizer", rule(&optimizer.rule)),
        ("Loss", loss_of(config)),
        ("Initial weights", initial(config)),
        ("Seed", training.seed.to_string()),
    ];
    if training.schedule.warmup > 0.0 {
        all.push(("Warm-up", format!("{} % of the steps", 100.0 * training.schedule.warmup)));
    }
    if optimizer.weight_decay > 0.0 {
        all.push(("Weight decay", optimizer.weight_decay.to_string()));
    }
    if optimizer.frozen == Frozen::Conv {
        all.push(("Frozen layers", "conv1 and conv2".to_owned()));
    }
    if network.batch_norm {
        all.push(("Batch normalisation", "after conv1, conv2, fc1 and fc2".to_owned()));
    }
    let augmentation = &training.augmentation;
    if augmentation.is_some() {
        let mut parts = Vec::new();
        if augmentation.shift > 0 {
            parts.push(format!("shift up to {}", count(augmentation.shift, "pixel")));
        }
        if augmentation.rotate > 0.0 {
            parts.push(format!("rotation up to {}°", augmentation.rotate));
        }
        if augmentation.scale > 0.0 {
            parts.push(format!("scale within ±{} %", 100.0 * augmentation.scale));
        }
        if augmentation.flip {
            parts.push("mirrored with probability ½".to_owned());
        }
        all.push(("Augmentation", parts.join(", ")));
    }
    if training.class_weights.is_some() {
        all.push(("Class weights", "in the training loss; see config.toml".to_owned()));
    }
    pairs(all.iter().map(|(name, value)| (*name, Html::text(value))))
}

fn rule(rule: &Rule) -> String {
    match rule {
        Rule::Adam(Adam { beta1, beta2, eps, .. }) => format!("Adam, β₁ {beta1}, β₂ {beta2}, ε {eps:e}"),
        Rule::Sgd(Sgd { momentum: 0.0, .. }) => "gradient descent".to_owned(),
        Rule::Sgd(Sgd { momentum, nesterov }) => {
            format!("SGD, momentum {momentum}{}", if *nesterov { ", Nesterov" } else { "" })
        }
    }
}

fn loss_of(config: &RunConfig) -> String {
    let loss = &config.loss;
    let name = name_of(&loss.kind);
    let smoothing = match loss.label_smoothing {
        0.0 => String::new(),
        smoothing => format!(", label smoothing {smoothing}"),
    };
    format!("{name}, {}{smoothing}", name_of(&loss.reduction))
}

fn initial(config: &RunConfig) -> String {
    match &config.weights {
        InitialWeights::Init(init) => init.to_string(),
        InitialWeights::InitFrom(path) => format!("from {}", path.display()),
        InitialWeights::FineTune { init_from, last_layer } => {
            format!("from {}; the last layer is new ({last_layer})", init_from.display())
        }
    }
}
