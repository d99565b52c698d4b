[(neuron) (synapse)] @class.outer
[(experiment) (procedure) (test) (on) (every)] @function.outer
(block) @function.inner
(comment)+ @comment.outer
