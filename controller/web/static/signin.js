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
