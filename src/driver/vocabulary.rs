//! One line on each word of the language and each function of protocols: for `snnc explain`, for what the cursor points to in an editor, and
//! for completions.

/// Words that begin or join declarations, statements and clauses.
pub const KEYWORDS: &[(&str, &str)] = &[
    ("simulation", "the time step, the seed, the precision and the threads of the whole file"),
    ("import", "takes the declarations of another file"),
    ("const", "a constant"),
    (
        "param",
        "a value that may be given: of each neuron or synapse in a model, or of the program by `--set NAME=VALUE`",
    ),
    ("let", "a name for a value, or for a part of a population"),
    ("fn", "a function: `fn f(x) = …`"),
    ("data", "a data set with its splits and fields"),
    ("neuron", "a model of a neuron: variables, equations, what makes it spike and what spikes do"),
    ("synapse", "a model of a synapse: weight, traces, and what spikes of both ends do"),
    ("population", "neurons of one model: `population E[400]: lif()`"),
    (
        "connect",
        "synapses from a population to a variable of another: `connect A -> B.g_e via random(p = 0.1) with static(w = 1 nS)`",
    ),
    ("kernel", "a response over time: `kernel K(s) = exp(-s / 5 ms) over 50 ms`"),
    ("readout", "a decoder of responses into classes"),
    ("record", "what is kept of a run: `record E.spikes, E[..10].v every 1 ms to \"run.npz\"`"),
    ("procedure", "statements that experiments call"),
    ("experiment", "a protocol; all experiments run in order of the file"),
    ("test", "a protocol with expectations, run by `snnc test` on a fresh network"),
    ("for", "a loop over whole numbers or the samples of a data set; at top level around declarations"),
    ("state", "a variable with its initial value, which also gives its unit"),
    (
        "weight",
        "a variable of a synapse that is kept by `reset` and saved with the network; bounds hold for every write",
    ),
    ("learned", "a variable of a neuron that is kept by `reset` and saved with the network"),
    (
        "input",
        "a value from outside: what synapses inject, what the population is given, what a protocol sets; else zero",
    ),
    (
        "spike",
        "what makes the neuron spike: `spike when v > v_th`, `spike with rate r`; `on spike { … }` is what happens then",
    ),
    ("when", "the condition of a spike or an event, tested at the end of each step"),
    ("event", "a condition of its own: `event e when …`, with `on e { … }`"),
    ("on", "what happens at a spike or an event"),
    ("release", "the end of the refractory period"),
    ("every", "periodically: code of a model, or the interval of a recording"),
    ("refractory", "no spikes for this long; with `hold` states stand still meanwhile"),
    ("hold", "the states that stand still during the refractory period"),
    ("method", "the integration method; without it the compiler chooses"),
    ("crosses", "an upward crossing between two steps: `spike when v crosses 0 mV`"),
    ("surrogate", "the derivative that stands for the spike's in training"),
    (
        "deliver",
        "adds an amount to the connection's target when the spike arrives, or with `to` to another state of the neuron",
    ),
    ("inject", "adds an amount to the connection's target input at every step"),
    ("via", "the connection rule"),
    ("with", "the synapse of a connection with its values; or the rate of a spike clause"),
    ("where", "a condition on pairs of neurons, or on the neurons of a view"),
    ("through", "the kernel by which deliveries reach the target"),
    (
        "over",
        "the axis of a sum or mean (`pre`, `post`, `time`, `neurons`), the length of a kernel, or what is minimised",
    ),
    ("to", "where something goes: the file of a recording, the state of a `deliver`"),
    ("run", "lets time pass: `run 350 ms`"),
    ("in", "the range of a loop, the bounds of a variable, or membership: `x in 1 .. 3`"),
    ("while", "repeats as long as a condition holds"),
    ("repeat", "repeats until a condition holds, at least once"),
    ("until", "the condition that ends a `repeat`"),
    ("if", "a choice: `if c then a else b` between values, `if c { … } else { … }` between statements"),
    ("then", "the value if the condition holds"),
    ("else", "otherwise"),
    ("expect", "a condition that must hold, or the experiment or test fails"),
    ("return", "ends a procedure, with its value"),
    ("break", "leaves the loop"),
    (
        "allow",
        "accepts a warning where it stands, in the file or the declaration around it, and says why: `allow W0701 \"as published\"`",
    ),
    ("batch", "so many samples at once: states of each, weights of all"),
    ("epochs", "how often the samples are gone through"),
    ("minimize", "a step of an optimiser against the gradient of a loss"),
    ("by", "the optimiser"),
    ("and", "true if both are"),
    ("or", "true if one is"),
    ("not", "true if it is false"),
    ("true", "the truth value"),
    ("false", "the truth value"),
    ("int", "the type of whole numbers"),
    ("bool", "the type of truth values"),
    ("f32", "single precision"),
    ("f64", "double precision"),
];

/// Functions and actions of protocols, with their arguments.
pub const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("sum", "x over axis", "the sum of all values, or over an axis: `sum(W.w over pre)`"),
    ("mean", "x over axis", "the mean of all values, or over an axis; `over time` of the last run"),
    ("std", "x over axis", "the standard deviation, of all values or over an axis"),
    ("argmax", "x", "the index of the greatest value along the last axis"),
    ("argmin", "x", "the index of the smallest value along the last axis"),
    ("norm", "x over axis", "the square root of the sum of squares"),
    ("count", "condition over axis", "how many of the values are true"),
    (
        "rate",
        "E",
        "the mean rate of the neurons since the experiment or test began; `from = 1 s` leaves out the beginning",
    ),
    (
        "cv_isi",
        "E",
        "the coefficient of variation of the intervals between spikes, averaged over neurons: 1 for Poisson trains, 0 for regular ones",
    ),
    ("synchrony", "E", "how much the neurons fluctuate together"),
    ("spikes", "E", "how many spikes there were"),
    ("accuracy", "readout", "the share of scored samples that were right"),
    ("zeros", "n", "an array of zeros"),
    ("shuffle", "x", "the values in random order"),
    ("play", "times, ids", "gives a `spike_source` other spikes from now on"),
    ("observe", "readout, response, label", "shows a readout a response and its class, to learn from"),
    (
        "score",
        "readout, response, label",
        "lets a readout predict the class of a response, and counts whether it is right",
    ),
    ("fit", "readout", "fits a readout to what it has observed"),
    ("freeze", "W.w", "holds a variable at its value: it is constant from here on"),
    ("thaw", "W.w", "ends a `freeze`"),
    ("reset", "E", "states back to their initial values; weights and learned variables stay"),
    ("redraw", "E", "draws initial values anew"),
    ("save", "\"file.npz\", W.w", "writes variables to a file; without any, all weights and learned variables"),
    ("load", "\"file.npz\", W.w", "reads variables that were saved"),
    ("print", "x", "prints values, with their units"),
    ("log", "\"file.csv\", name = x", "adds a row to a file; of one number, its natural logarithm"),
    ("timed", "list, step", "the entry of the list for the present time; the last one from then on"),
    ("truncated", "distribution, low, high", "drawn again until the value lies between both ends"),
    ("array", "\"file.npz\", \"key\"", "an array of a file, without unit"),
    ("poisson_input", "n, rate", "each target has `n` independent Poisson sources of its own"),
    ("mnist", "\"folder\"", "the MNIST digits: fields `image`, `label` and `index`, splits `train` and `test`"),
    ("arrays", "\"train.npz\", \"test.npz\"", "a data set of arrays: every key is a field"),
    ("max_rate", "classes", "a readout: a neuron stands for the class it answers most"),
    ("linear", "classes, ridge", "a readout: ridge regression on the responses"),
];

/// What populations, data sets and samples have without declaring it.
pub const MEMBERS: &[(&str, &str)] = &[
    ("count", "the spikes of each neuron in the last run"),
    ("first", "the time of each neuron's first spike in the last run"),
    ("spikes", "the spikes, for recordings"),
    ("N", "the number of neurons"),
    ("train", "the samples to learn from"),
    ("test", "the samples to be judged by"),
    ("image", "the image of the sample, 28 × 28 values from 0 to 1"),
    ("label", "the class of the sample"),
    ("index", "the number of the sample in its split"),
];

/// The settings of `simulation { … }`.
pub const SETTINGS: &[(&str, &str)] = &[
    ("dt", "the time step; 0.1 ms if it is not set"),
    ("seed", "the seed of all random numbers"),
    ("precision", "the floating point of states and weights: `f32` or `f64`"),
    ("threads", "how many threads run; 0 is one per core"),
];

/// Arguments that connections have besides those of their synapse.
pub const DELAYS: &[(&str, &str)] = &[
    ("delay", "the time from the spike to the synapse; one value or a distribution"),
    ("dendritic_delay", "the time from the synapse to the soma, and of post spikes back to it"),
];

/// Arguments of functions, readouts and methods.
pub const ARGUMENTS: &[(&str, &str)] = &[
    ("from", "the time from which on spikes count"),
    ("bin", "the length of the bins in which spikes are counted"),
    ("classes", "the number of classes"),
    ("ridge", "the penalty of ridge regression"),
    ("substeps", "how many steps of the method make one time step"),
    ("n", "how many"),
    ("rate", "events per time"),
    ("times", "the times of the spikes"),
    ("ids", "the neuron of each spike"),
];

/// The line on a word in a table.
pub fn about(table: &[(&str, &'static str)], word: &str) -> Option<&'static str> {
    table.iter().find(|(name, _)| *name == word).map(|(_, about)| *about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::{DISTS, TABLE};

    #[test]
    fn every_function_of_protocols_has_its_line() {
        let own = |f: &&str| !TABLE.iter().any(|r| r.name == *f) && !DISTS.iter().any(|r| r.name == *f);
        let told = |f: &str| FUNCTIONS.iter().any(|(name, ..)| *name == f);
        let missing: Vec<&str> = crate::script::functions().filter(own).filter(|f| !told(f)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
