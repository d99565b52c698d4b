//! The table of diagnostic codes: code, default severity, one line. Append only; a code is never reused or renumbered.
//! E00xx parsing · E01xx names · E02xx units · E03xx models · E04xx network · E05xx protocol and data · E06xx training ·
//! W07xx numerics and structure · W08xx style · E08xx data and files · E09xx run time and limits.

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is run.
    Error,
    /// Reported, and the program runs.
    Warning,
    /// A remark.
    Note,
}

macro_rules! codes {
    ($($code:ident $severity:ident $line:literal;)*) => {
        /// A diagnostic code; `Display` gives its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $line] $code,)* }

        impl Code {
            /// All codes, in order of the table.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The name, such as `E0201`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)* }
            }

            /// The default severity.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)* }
            }

            /// Whether it is found only while a model runs.
            #[must_use]
            pub fn while_running(self) -> bool {
                matches!(self, Self::W0712 | Self::W0714 | Self::W0715 | Self::W0716)
            }

            /// The page that explains it, as Markdown.
            #[must_use]
            pub fn page(self) -> &'static str {
                match self { $(Self::$code => include_str!(concat!("explain/", stringify!($code), ".md")),)* }
            }

            /// What the code stands for, in one line.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$code => $line,)* }
            }
        }
    };
}

codes! {
    E0001 Error "unexpected token";
    E0002 Error "unclosed bracket";
    E0003 Error "an idiom of another language";
    E0004 Error "a number and a unit glued wrongly";
    E0005 Error "the source cannot be read as text";
    E0006 Error "the source is too large or nested too deeply";
    E0007 Error "a wrong `allow`";
    E0101 Error "unknown name";
    E0102 Error "unknown unit";
    E0103 Error "a name is defined twice or is a unit's";
    E0104 Error "unknown member, port or event";
    E0105 Error "unknown or missing argument";
    E0106 Error "definitions that depend on each other in a circle";
    E0201 Error "operands of different dimensions";
    E0202 Error "a derivative's right side has the wrong unit";
    E0203 Error "an argument must be dimensionless";
    E0204 Error "the delivered unit is not the target's";
    E0205 Error "a value has the wrong unit, kind or range for its place";
    E0206 Error "a bare number where a unit is needed";
    E0207 Error "a power of a quantity with an exponent that is not constant";
    E0301 Error "a derivative without a state, or a state with two";
    E0302 Error "an assignment to something that cannot be assigned";
    E0303 Error "deliver or inject in the wrong place";
    E0304 Error "a random function inside an equation";
    E0305 Error "multiplicative noise without a method";
    E0306 Error "the method cannot solve this model";
    E0307 Error "a wrong refractory clause";
    E0308 Error "a wrong or missing spike clause";
    E0309 Error "white noise where it has no meaning";
    E0401 Error "a wrong projection target or source";
    E0402 Error "sizes that do not fit, or an index out of range";
    E0403 Error "a wrong delay";
    E0404 Error "a rule that selects no synapse";
    E0405 Error "a value of the wrong size for a population";
    E0501 Error "data of the wrong shape for a population";
    E0502 Error "a misuse of a protocol statement or call";
    E0503 Error "a statement that a batch cannot run";
    E0504 Error "a data set or field that does not exist";
    E0505 Error "nothing to run";
    E0506 Error "an expectation does not hold";
    E0601 Error "no differentiable path";
    E0602 Error "not a trainable variable";
    W0701 Warning "the time step is too large for the method";
    W0702 Warning "a time that is not a multiple of the time step";
    W0703 Warning "a rate too high for the time step";
    W0704 Warning "the reset satisfies the threshold condition";
    W0705 Warning "a delivery whose effect depends on the time step";
    W0706 Warning "a removable singularity";
    W0707 Warning "a clock-driven synapse in a large projection";
    W0708 Warning "a population that can never spike";
    W0709 Warning "something is never used";
    W0710 Warning "one noise source in two equations";
    W0711 Warning "a very large network";
    W0712 Warning "a loop that runs very often";
    W0713 Warning "noise scaled with the time step by hand";
    W0714 Warning "no neuron spiked";
    W0715 Warning "a rate that no neuron has";
    W0716 Warning "a readout that knows no class";
    W0717 Warning "the same is fed twice in one step";
    W0718 Warning "a change that the precision loses";
    W0719 Warning "a state that grows without end";
    W0801 Warning "a name, constant or sign that misleads";
    W0802 Warning "an `allow` that silences nothing";
    E0801 Error "a file cannot be read or written";
    E0802 Error "a data file is damaged or of the wrong shape";
    E0803 Error "a saved file does not fit the network";
    E0900 Error "a bug in snnc";
    E0901 Error "not supported yet";
    E0902 Error "the network is too large";
    E0903 Error "the simulated time is too long";
    E0904 Error "a value left its range while running";
    E0905 Error "a wrong command-line value";
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
