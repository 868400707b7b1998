// A button that tells Moodle to close its window (LTI Dynamic Registration 1.0). Without it the person closes the window.
const button = document.getElementById("close");
button.hidden = false;
button.addEventListener("click", () => {
  (window.opener || window.parent).postMessage({ subject: "org.imsglobal.lti.close" }, button.dataset.moodle);
});
