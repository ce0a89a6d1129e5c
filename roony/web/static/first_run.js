// The time zone of whoever makes an organization is chosen for them, where the page knows it and nobody has chosen: it can
// never be changed. Browsers may call it by an older name.
"use strict";

const zone = document.getElementById("time_zone");
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone.dataset.given === undefined && [...zone.options].some((option) => option.value === here)) zone.value = here;
