//! The option for the memory budget.

use clap::Args;

use super::values;
use crate::memory;

#[derive(Debug, Clone, Copy, PartialEq, Default, Args)]
#[command(next_help_heading = "Data")]
pub struct MemoryArgs {
    /// Memory for reading and decoding data, such as 512M or 2G [default: half of the available memory]
    #[arg(long, value_name = "SIZE", value_parser = values::bytes, allow_negative_numbers = true)]
    max_memory: Option<u64>,
}

impl MemoryArgs {
    /// Sets the budget of this process.
    pub fn apply(self) {
        if let Some(bytes) = self.max_memory {
            memory::set_limit(bytes);
        }
    }
}
