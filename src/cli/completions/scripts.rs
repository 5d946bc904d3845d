//! The completion scripts: clap_complete's, with functions that look up runs and adapters when the user presses Tab.

use clap::{Command, ValueHint};
use clap_complete::{Shell, generate};

use super::{ADAPTER, RUN};

const NAME: &str = "lenet-gpu";

/// The script as clap_complete writes it.
pub(super) fn plain(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    generate(shell, &mut command, NAME, &mut script);
    String::from_utf8(script).expect("scripts are UTF-8")
}

/// Names are compared and added one by one, because `compgen -W` would expand what is in them: a folder named `$(…)`.
const BASH: &str = r#"_lenet_gpu_values() {
    local value description
    while IFS=$'\t' read -r value description; do
        [[ ${value} == "${cur}"* ]] && COMPREPLY+=("${value}")
    done < <("${COMP_WORDS[0]}" completions "$1" 2>/dev/null)
}

_lenet_gpu_runs() {
    local file
    COMPREPLY=()
    _lenet_gpu_values runs
    while IFS= read -r file; do
        COMPREPLY+=("${file}")
    done < <(compgen -f -- "${cur}")
    compopt -o filenames 2>/dev/null
}

_lenet_gpu_adapters() {
    COMPREPLY=()
    _lenet_gpu_values adapters
}

"#;

/// `--option=value` is three words to bash.
const BASH_EQUALS: &str = r#"
    if [[ ${cur} == "=" ]]; then
        cur=""
    elif [[ ${prev} == "=" && ${COMP_CWORD} -ge 2 ]]; then
        prev="${COMP_WORDS[COMP_CWORD-2]}"
    fi"#;

const BASH_RUN_ARGUMENT: &str = r#"
            if [[ ${cur} != -* && ${prev} != -* ]]; then
                _lenet_gpu_runs
                return 0
            fi"#;

pub(super) fn bash(command: Command) -> String {
    let (runs, adapters) = (options(&command, RUN), options(&command, ADAPTER));
    let with_run = commands_with_run(&command);
    let mut script = String::from(BASH);
    // The command that the current lines are for, and the option.
    let (mut of_command, mut of_option) = ("", "");
    // clap_complete 4.6 spells a program's name with a hyphen in two ways, so that no command would be found.
    let text = plain(Shell::Bash, command).replace("lenet__subcmd__gpu", "lenet__gpu");
    for line in text.lines() {
        let label = line.trim().strip_suffix(')').filter(|label| !label.contains(['(', ' ']));
        match label {
            Some(option) if option.starts_with('-') => of_option = option,
            Some(label) => of_command = label.strip_prefix("lenet__gpu__subcmd__").unwrap_or_default(),
            None if line.trim() == ";;" => of_option = "",
            None => {}
        }
        let is_files = line.trim() == "COMPREPLY=($(compgen -f \"${cur}\"))";
        let is_one_of = |options: &[String]| options.iter().any(|option| option == of_option);
        match line {
            _ if is_files && is_one_of(&runs) => script += "                    _lenet_gpu_runs",
            _ if is_files && is_one_of(&adapters) => script += "                    _lenet_gpu_adapters",
            line => script += line,
        }
        if line.trim() == "prev=\"$3\"" {
            script += BASH_EQUALS;
        }
        if line.trim().starts_with("opts=\"-") && with_run.iter().any(|name| name == of_command) {
            script += BASH_RUN_ARGUMENT;
        }
        script.push('\n');
    }
    script
}

const ZSH: &str = r#"
_lenet_gpu_values() {
    local -a values
    local value description
    while IFS=$'\t' read -r value description; do
        values+=("${value//:/\\:}${description:+:$description}")
    done < <(command lenet-gpu completions $1 2>/dev/null)
    _describe -t $1 $2 values
}

_lenet_gpu_runs() {
    local ret=1
    _lenet_gpu_values runs run && ret=0
    _files && ret=0
    return ret
}

_lenet_gpu_adapters() {
    _lenet_gpu_values adapters adapter
}
"#;

pub(super) fn zsh(command: Command) -> String {
    let script = plain(Shell::Zsh, command)
        .replace(":_users' \\", ":_lenet_gpu_runs' \\")
        .replace(":_hosts' \\", ":_lenet_gpu_adapters' \\");
    // The first line declares the command.
    let (first, rest) = script.split_once('\n').unwrap_or((&script, ""));
    format!("{first}\n{ZSH}{rest}")
}

pub(super) fn fish(command: Command) -> String {
    const RUNS: &str = "\"(lenet-gpu completions runs 2>/dev/null)\"";
    const ADAPTERS: &str = "\"(lenet-gpu completions adapters 2>/dev/null)\"";
    // clap_complete writes nothing for the values of positional arguments.
    let mut arguments = String::new();
    for subcommand in command.get_subcommands() {
        let name = subcommand.get_name();
        let mut complete = |rest: &str| {
            arguments +=
                &format!("complete -c {NAME} -n \"__fish_lenet_gpu_using_subcommand {name}\" {rest}\n");
        };
        for argument in subcommand.get_positionals() {
            if argument.get_value_hint() == RUN {
                complete(&format!("-a {RUNS}"));
            }
            for value in argument.get_possible_values().iter().filter(|value| !value.is_hide_set()) {
                complete(&format!("-f -a {}", value.get_name()));
            }
        }
    }
    plain(Shell::Fish, command)
        .replace("-r -f -a \"(__fish_complete_users)\"", &format!("-r -F -a {RUNS}"))
        .replace("\"(__fish_print_hostnames)\"", ADAPTERS)
        + &arguments
}

/// The options with a hint, as they are typed.
fn options(command: &Command, hint: ValueHint) -> Vec<String> {
    let all = command.get_subcommands().flat_map(Command::get_opts);
    all.filter(|option| option.get_value_hint() == hint)
        .flat_map(|option| {
            let long = option.get_long_and_visible_aliases().unwrap_or_default().into_iter();
            let short = option.get_short_and_visible_aliases().unwrap_or_default().into_iter();
            long.map(|name| format!("--{name}"))
                .chain(short.map(|name| format!("-{name}")))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The names of the commands whose first argument is a run or a model.
fn commands_with_run(command: &Command) -> Vec<String> {
    let has_run = |command: &&Command| {
        command.get_positionals().next().is_some_and(|argument| argument.get_value_hint() == RUN)
    };
    command.get_subcommands().filter(has_run).map(|command| command.get_name().to_owned()).collect()
}
