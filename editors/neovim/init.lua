-- Neovim 0.11 or later: the language server, and colours by tree-sitter.
vim.filetype.add({ extension = { snn = "snn" } })
vim.lsp.config("snnc", { cmd = { "snnc", "lsp" }, filetypes = { "snn" }, root_markers = { ".git" } })
vim.lsp.enable("snnc")
vim.api.nvim_create_autocmd("FileType", { pattern = "snn", callback = function() vim.treesitter.start() end })
