// Words of the page's language, from the same catalogue as the templates.
const { messages, units } = JSON.parse(document.getElementById("words").textContent);
export const language = document.documentElement.lang;

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (place, name) => name in values ? values[name] : place);

export const t = (msgid, values = {}) => filled(messages[msgid] || msgid, values);

export function tn(one, many, n, values = {}) {
  const forms = messages[one] || [one, many];
  return filled(forms[n === 1 ? 0 : 1], { n: n.toLocaleString(language), ...values });
}

export const symbol = unit => unit in units ? units[unit] : unit;
