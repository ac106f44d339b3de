// Shows the password while its button is pressed down. The form works without.
document.addEventListener("click", event => {
  const button = event.target.closest("[data-reveal]");
  if (!button) return;
  const input = document.getElementById(button.dataset.reveal), shows = input.type === "password";
  input.type = shows ? "text" : "password";
  button.setAttribute("aria-pressed", shows);
});
