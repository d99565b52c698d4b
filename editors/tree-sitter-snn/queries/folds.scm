[(neuron) (synapse) (experiment) (procedure) (test) (simulation) (unroll)] @fold
