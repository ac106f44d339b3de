// The eye beside the password, and the user name kept over a failed try. The form works without.
const form = document.getElementById("signin"), login = document.getElementById("login");

document.addEventListener("click", event => {
  const button = event.target.closest("[data-reveal]");
  if (!button) return;
  const input = document.getElementById(button.dataset.reveal), shows = input.type === "password";
  input.type = shows ? "text" : "password";
  button.setAttribute("aria-pressed", shows);
});
try {
  form.addEventListener("submit", () => sessionStorage.setItem("login", login.value));
  if (form.querySelector("[role=alert]")) login.value = sessionStorage.getItem("login") || "";
  else sessionStorage.removeItem("login");
} catch { /* storage may be blocked: the name is typed again */ }

// A provider is told of a machine of one's own only if the box says so.
const shared = form.elements.shared;
shared.addEventListener("change", () => {
  for (const link of document.querySelectorAll("[data-provider]")) {
    const url = new URL(link.href);
    url.searchParams.set("shared", shared.checked ? "1" : "");
    link.href = url.pathname + url.search;
  }
});
