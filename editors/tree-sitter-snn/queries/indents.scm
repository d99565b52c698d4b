[(model_body) (block) (simulation) (unroll) (arguments) (list)] @indent.begin
["}" ")" "]"] @indent.branch @indent.end
