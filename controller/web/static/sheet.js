// Sheets: the card #sheet of another page, opened over this one. Without scripts each is a page of its own.
const dialog = document.getElementById("dialog");
let busy = false;

// Whatever goes wrong on the way, the browser does by itself.
async function open(address, options, instead) {
  if (busy) return;
  busy = true;
  try {
    const answer = await fetch(address, options);
    if (answer.redirected) return void location.assign(answer.url);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const sheet = page.getElementById("sheet");
    if (!sheet) return void instead();
    dialog.replaceChildren(...sheet.childNodes);
    dialog.className = "dlg sheet";
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    (dialog.querySelector("[autofocus]") || dialog.querySelector("a, button")).focus();
  } catch {
    instead();
  } finally {
    busy = false;
  }
}

document.addEventListener("click", event => {
  const link = event.target.closest("a[data-sheet], dialog a[data-dismiss]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.hasAttribute("data-dismiss")) dialog.close();
  else open(link.href, {}, () => location.assign(link.href));
});
dialog.addEventListener("submit", event => {
  event.preventDefault();
  const form = event.target, fields = new URLSearchParams(new FormData(form));
  const post = form.method === "post";
  open(post ? form.action : `${form.action}?${fields}`, post ? { method: "post", body: fields } : {}, () => form.submit());
});
dialog.addEventListener("change", event => {
  if (event.target.matches("[data-reload]")) event.target.form.querySelector("button").click();
});
dialog.addEventListener("close", () => {
  if (dialog.querySelector("[data-changed]")) location.assign("/my");
});
