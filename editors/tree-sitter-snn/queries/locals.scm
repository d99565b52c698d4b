(neuron) @local.scope
(synapse) @local.scope
(block) @local.scope

(binding name: (identifier) @local.definition.var)
(let name: (identifier) @local.definition.var)
(population name: (identifier) @local.definition.var)
(neuron name: (identifier) @local.definition.type)
(synapse name: (identifier) @local.definition.type)
(identifier) @local.reference
