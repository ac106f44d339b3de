// The page of found devices: the button says how many are chosen.
const form = document.getElementById("found");
const button = document.getElementById("adopt");

function count() {
  const chosen = form.querySelectorAll("input[type=checkbox]:checked").length;
  button.querySelector("span").textContent = button.dataset.words.replace("{n}", chosen);
  button.disabled = chosen === 0;
}

if (form) {
  form.addEventListener("change", count);
  count();
}
