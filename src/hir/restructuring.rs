//! What the compiler may do to a network beyond what the model says, and which of it is wanted: the names of `--without`.

/// Something that the compiler does to a network so that it runs faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restructuring {
    /// Loops over neurons in kernels of 256 or 512 bits, where the machine has them.
    WideKernels,
    /// Whole rows of a matrix added by one precompiled loop.
    WholeRows,
    /// Rows added in the pass that advances the neurons in the next step.
    LateRows,
    /// Simpler code for blocks of neurons of which none is refractory or deviates.
    CalmBlocks,
    /// Blocks of neurons that no longer change are left out until something reaches them.
    RestingBlocks,
    /// Synapses stored in the order of their delays.
    DelayOrder,
    /// How traces decay in tables.
    DecayTables,
    /// Steps in parts, which run at the same time in large networks.
    StepParts,
    /// One value for a state that everything reaches alike.
    SharedStates,
    /// Sums grouped so that what is the same for all neurons is computed once; needs shared states.
    GroupedSums,
    /// Traces count as zero once nothing shows that they are not.
    FaintTraces,
    /// Steps in which nothing happens passed over in closed form.
    Leaps,
    /// Normalisation of the columns that changed only.
    ChangedColumns,
    /// Responses through kernels by a recursion.
    KernelRecursion,
    /// What an `inject` gives all neurons alike summed once.
    CommonInject,
}

/// What is known of one.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Which.
    pub which: Restructuring,
    /// The level of `--opt` from which it is done: 1 if it changes no bit, 2 if it may change results by rounding.
    pub level: u8,
    /// Its name for `--without`.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
}

/// All, in the order of their declaration.
#[rustfmt::skip]
pub static ALL: [Known; 15] = [
    Known { which: Restructuring::WideKernels, level: 1, name: "wide-kernels", what: "Loops over neurons in kernels of 256 or 512 bits, where the machine has them" },
    Known { which: Restructuring::WholeRows, level: 1, name: "whole-rows", what: "Whole rows of a matrix added by one precompiled loop" },
    Known { which: Restructuring::LateRows, level: 1, name: "late-rows", what: "Rows added in the pass that advances the neurons in the next step" },
    Known { which: Restructuring::CalmBlocks, level: 1, name: "calm-blocks", what: "Simpler code for blocks of neurons of which none is refractory or deviates" },
    Known { which: Restructuring::RestingBlocks, level: 1, name: "resting-blocks", what: "Blocks of neurons that no longer change are left out until something reaches them" },
    Known { which: Restructuring::DelayOrder, level: 1, name: "delay-order", what: "Synapses stored in the order of their delays" },
    Known { which: Restructuring::DecayTables, level: 1, name: "decay-tables", what: "What is left of traces after some steps in tables instead of exponentials" },
    Known { which: Restructuring::StepParts, level: 1, name: "step-parts", what: "Steps in parts, which run at the same time in large networks" },
    Known { which: Restructuring::SharedStates, level: 2, name: "shared-states", what: "One value for a state that everything reaches alike" },
    Known { which: Restructuring::GroupedSums, level: 2, name: "grouped-sums", what: "Sums grouped so that what is the same for all neurons is computed once; needs shared states" },
    Known { which: Restructuring::FaintTraces, level: 2, name: "faint-traces", what: "Traces count as zero once nothing shows that they are not" },
    Known { which: Restructuring::Leaps, level: 2, name: "leaps", what: "Steps in which nothing happens passed over in closed form" },
    Known { which: Restructuring::ChangedColumns, level: 2, name: "changed-columns", what: "Normalisation of the columns that changed only" },
    Known { which: Restructuring::KernelRecursion, level: 2, name: "kernel-recursion", what: "Responses through kernels by a recursion" },
    Known { which: Restructuring::CommonInject, level: 2, name: "common-inject", what: "What an `inject` gives all neurons alike summed once" },
];

impl Restructuring {
    /// What is known of it.
    #[must_use]
    pub fn known(self) -> &'static Known {
        &ALL[self as usize]
    }

    /// What it works on.
    fn needs(self) -> Option<Self> {
        match self {
            Self::LateRows => Some(Self::WholeRows),
            Self::GroupedSums => Some(Self::SharedStates),
            _ => None,
        }
    }

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// How much the compiler restructures a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt {
    /// `--opt`: 0 nothing; 1 what changes no bit; 2 also what may change results by rounding.
    pub level: u8,
    /// `--without`, one bit each.
    without: u32,
}

impl Opt {
    /// All that a level has.
    #[must_use]
    pub fn level(level: u8) -> Self {
        Self { level, without: 0 }
    }

    /// The same, but for some.
    #[must_use]
    pub fn without(self, what: &[Restructuring]) -> Self {
        Self { without: what.iter().fold(self.without, |all, w| all | w.bit()), ..self }
    }

    /// What a level has and is left out.
    pub fn left_out(self) -> impl Iterator<Item = &'static Known> {
        ALL.iter().filter(move |k| self.level >= k.level && !self.has(k.which))
    }

    /// Whether something is to be done where it can be.
    #[must_use]
    pub fn has(self, what: Restructuring) -> bool {
        self.level >= what.known().level && self.without & what.bit() == 0 && what.needs().is_none_or(|n| self.has(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_in_their_places() {
        for (k, known) in ALL.iter().enumerate() {
            assert_eq!(known.which as usize, k);
            assert!(std::ptr::eq(known.which.known(), known));
        }
    }

    #[test]
    fn what_is_left_out_takes_along_what_works_on_it() {
        let all = Opt::level(2);
        assert!(all.has(Restructuring::LateRows) && all.has(Restructuring::GroupedSums));
        let some = all.without(&[Restructuring::WholeRows, Restructuring::Leaps]);
        assert!(
            !some.has(Restructuring::WholeRows)
                && !some.has(Restructuring::LateRows)
                && !some.has(Restructuring::Leaps)
        );
        assert!(some.has(Restructuring::GroupedSums) && some.has(Restructuring::CalmBlocks));
        assert!(!Opt::level(1).has(Restructuring::Leaps) && Opt::level(1).has(Restructuring::LateRows));
        assert!(!Opt::level(0).has(Restructuring::WideKernels));
    }
}
