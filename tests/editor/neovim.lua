-- Run by tests/neovim.rs: says of every file that was opened what holds of it, and `fine` where all does.

local function request(client, buffer, method, params)
  params.textDocument = vim.lsp.util.make_text_document_params(buffer)
  local answer = client:request_sync(method, params, 60000, buffer)
  return answer and answer.result
end

local function errors(buffer)
  return vim.diagnostic.get(buffer, { severity = vim.diagnostic.severity.ERROR })
end

local function first(buffer, pattern)
  for line, text in ipairs(vim.api.nvim_buf_get_lines(buffer, 0, -1, false)) do
    local column = text:match(pattern)
    if column then return { line = line - 1, character = column - 1 } end
  end
end

local function faults(buffer)
  local out = {}
  local function hold(what, holds) if not holds then out[#out + 1] = what end end
  hold("file type", vim.bo[buffer].filetype == "snn")
  vim.wait(60000, function()
    local c = vim.lsp.get_clients({ bufnr = buffer })[1]
    return c and c.initialized
  end, 20)
  local client = vim.lsp.get_clients({ bufnr = buffer })[1]
  if not client then return { "no language server" } end

  hold("highlighter", vim.treesitter.highlighter.active[buffer])
  local tree = vim.treesitter.get_parser(buffer, "snn"):parse()[1]
  hold("grammar", not tree:root():has_error())
  local query, captures, kinds = vim.treesitter.query.get("snn", "highlights"), 0, {}
  for id in query:iter_captures(tree:root(), buffer) do
    captures = captures + 1
    kinds[query.captures[id]] = true
  end
  hold("captures", captures > 2 * vim.api.nvim_buf_line_count(buffer))
  for _, kind in ipairs({ "keyword", "type", "number" }) do hold("capture " .. kind, kinds[kind]) end
  for _, name in ipairs({ "folds", "indents", "locals", "textobjects" }) do
    hold("query " .. name, pcall(vim.treesitter.query.get, "snn", name))
  end

  -- A model that needs what is not built has its errors from the start.
  local nowhere = { line = 0, character = 0 }
  request(client, buffer, "textDocument/codeAction", { range = { start = nowhere, ["end"] = nowhere }, context = { diagnostics = {} } })
  local before = #errors(buffer)
  local name = first(buffer, "^population +()") or first(buffer, "^neuron +()")
  local page = request(client, buffer, "textDocument/hover", { position = name })
  hold("hover", page and page.contents and #page.contents.value > 20)

  vim.api.nvim_buf_set_lines(buffer, 0, 0, false, { "param broken_ = 1 mV + 1 ms", "population Late_[2]: lif()" })
  hold("a fault is shown", vim.wait(60000, function()
    local found = errors(buffer)
    return #found == before + 1 and vim.iter(found):any(function(d) return d.code == "E0201" and d.lnum == 0 end)
  end, 20))
  local there = request(client, buffer, "textDocument/definition", { position = { line = 1, character = 22 } })
  local lines = there and vim.fn.readfile(vim.uri_to_fname(there.uri)) or {}
  hold("the prelude", there and (lines[there.range.start.line + 1] or ""):match("^neuron lif"))
  vim.cmd("silent undo")
  hold("the fault goes away", vim.wait(60000, function() return #errors(buffer) == before end, 20))
  return out
end

for _, file in ipairs(vim.fn.argv()) do
  vim.cmd.edit(file)
  local buffer = vim.api.nvim_get_current_buf()
  local done, found = pcall(faults, buffer)
  if not done then found = { tostring(found) } end
  io.stdout:write(vim.fn.fnamemodify(file, ":t"), ": ", #found == 0 and "fine" or table.concat(found, ", "), "\n")
  vim.cmd("bwipeout!")
end
vim.cmd("qa!")
