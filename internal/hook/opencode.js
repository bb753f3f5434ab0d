// Asks bailey before a tool is used. Written by bailey agent install opencode;
// bailey agent uninstall opencode takes it away.
//
// Whatever goes wrong keeps the tool from being used: nothing here is caught.
import { spawnSync } from "node:child_process"

const BAILEY = "@BAILEY@"

export const Bailey = async ({ directory }) => ({
  "tool.execute.before": async (input, output) => {
    const asked = spawnSync(BAILEY, ["hook", "opencode"], {
      input: JSON.stringify({ tool: input.tool, args: output.args ?? {}, cwd: directory }),
      encoding: "utf8",
      timeout: @TIMEOUT@,
      killSignal: "SIGKILL",
    })
    if (asked.error) throw new Error("bailey: error: blocked: the hook cannot be run: " + asked.error.message)
    if (asked.status !== 0) throw new Error(asked.stderr?.trim() || "bailey: error: blocked: the hook did not answer")
    const answer = JSON.parse(asked.stdout)
    if (answer.decision !== "allow") throw new Error("bailey: error: blocked: the hook did not allow it")
    if (answer.command !== undefined) output.args.command = answer.command
  },
})
