// Signing in with a credential. What comes back is a cookie that no script can read.

import { fill, h } from "./dom.js";

export async function page(root, context) {
  const problem = h("p.banner.bad", { hidden: true, role: "alert" });
  const token = h("input", {
    id: "token", name: "token", type: "password", required: true, autocomplete: "current-password", autocapitalize: "off",
    spellcheck: "false", placeholder: "pgt_…", "aria-describedby": "how",
  });
  const button = h("button.primary", { type: "submit" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    problem.hidden = true;
    try {
      await context.api.post("/sign-in", { token: token.value.trim() }, { quiet: true, signal: context.signal });
      context.signedIn(await context.api.get("/me"));
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(problem, error.status === 401 ? "This credential does not count: it is unknown, expired or revoked." : error.message);
      problem.hidden = false;
      token.select();
    } finally {
      button.disabled = false;
    }
  };
  fill(
    root,
    h(
      "div.sign-in.panel",
      h("h1", "Sign in"),
      h("form.stack", { onsubmit: submit }, h("div.field", h("label", { for: "token" }, "Credential"), token), problem, button),
      h(
        "div.stack.muted.small",
        { id: "how" },
        h("p", "A credential is made in a terminal of yours, in the folder of the workspace. It is shown once."),
        h("pre", h("code", "phasegate token create --role operator --name YOUR-NAME")),
        h("p", "operator: answers, and tends tasks. approver: answers. auditor: looks. You stay signed in for 12 hours, or until the credential is revoked."),
      ),
    ),
  );
  token.focus();
}
