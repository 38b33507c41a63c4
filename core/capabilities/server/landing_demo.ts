/** The landing page's live demo, as it stands before its script (`/assets/demo.js`) wakes it. The script finds its parts by `data-part`. */
import { html } from "../../kernel/html.ts";
import { codeBlock, type Markup } from "../../kernel/layout.ts";

/** A channel to play with; `rest` is the base URL that the script calls. */
export function demo(rest: string): Markup {
  return html`<section class="part" id="demo" aria-labelledby="demo-title"><h2 id="demo-title">A channel in this page</h2>
<p class="lead">This is the real thing: the page creates a public channel on this server, publishes with its token and follows its stream, with the same requests that a script would send.</p>
<div class="demo" data-rest="${rest}">
<div>
<h3>You</h3>
<p class="status" data-part="status" data-state="idle" role="status"><span data-part="words">There is no channel yet. Create one to begin.</span></p>
<noscript><p class="soft">The demo needs JavaScript; the three lines above do not.</p></noscript>
<div class="actions" data-part="start"><button type="button" data-part="create">Create a channel</button></div>
<form data-part="form" hidden>
<div><label for="demo-text">Message</label><div class="line"><input id="demo-text" name="text" autocomplete="off" maxlength="2000" required value="Hello from the browser"><button type="submit" data-part="publish">Publish</button></div></div>
</form>
<details data-part="terminal" hidden>
<summary>Publish to it from a terminal</summary>
<div class="stack">
<p class="soft">Run this, and the message arrives in this page. The token is this channel’s own and gives no right to any other.</p>
${codeBlock(" ", "Publish")}
${codeBlock(" ", "Follow")}
</div>
</details>
<div class="actions" data-part="end" hidden><button type="button" class="plain" data-part="remove">Delete the channel</button></div>
</div>
<div class="stream">
<h3 id="demo-stream">The stream</h3>
<ol class="messages" data-part="messages" aria-labelledby="demo-stream" aria-live="polite" tabindex="0"><li class="empty">Messages appear here as they arrive.</li></ol>
</div>
</div></section>`;
}
