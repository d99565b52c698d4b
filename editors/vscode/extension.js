// Starts `snnc lsp` for .snn files, and runs snnc on the file at hand in a terminal.

const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

/** @type {LanguageClient | undefined} */
let client;

function program() {
  return workspace.getConfiguration("snnc").get("path", "snnc");
}

async function start() {
  const server = { command: program(), args: ["lsp"] };
  client = new LanguageClient("snnc", "snnc", { run: server, debug: server }, {
    documentSelector: [{ language: "snn" }],
  });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const choice = await window.showErrorMessage(
      `The language server \`${program()} lsp\` did not start: ${error.message}. Install snnc, or set "snnc.path".`,
      "Open settings",
    );
    if (choice) await commands.executeCommand("workbench.action.openSettings", "snnc.path");
  }
}

async function stop() {
  const running = client;
  client = undefined;
  await running?.stop();
}

// Arguments are passed one by one, so that no shell reads a file's name.
async function terminal(command) {
  const document = window.activeTextEditor?.document;
  if (!document || document.languageId !== "snn") {
    window.showInformationMessage("Open a .snn file first.");
    return;
  }
  await document.save();
  const shown = window.createTerminal({ name: `snnc ${command}`, shellPath: program(), shellArgs: [command, document.fileName] });
  shown.show(true);
}

async function activate(context) {
  for (const command of ["run", "test", "plan"]) {
    context.subscriptions.push(commands.registerCommand(`snnc.${command}`, () => terminal(command)));
  }
  context.subscriptions.push(
    commands.registerCommand("snnc.restart", async () => {
      await stop();
      await start();
    }),
    workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration("snnc.path")) {
        await stop();
        await start();
      }
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
