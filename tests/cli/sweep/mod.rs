//! The `sweep` command, and `train --seeds`.
mod options;
mod run;
