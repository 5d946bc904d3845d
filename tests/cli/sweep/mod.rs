//! The `sweep` command, and `train --seeds`.
mod run;
