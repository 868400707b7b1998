// Tells Moodle that its window may be closed (LTI Dynamic Registration 1.0). The page says everything without it, too.
(window.opener || window.parent).postMessage(
  { subject: "org.imsglobal.lti.close" },
  document.currentScript.dataset.moodle,
);
