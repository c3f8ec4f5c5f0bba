/* What the report's pages do: theme, sortable tables, and where a number comes from.
   A classic script without modules or requests, so that it works from disk. All data are put into
   the page as text, never as markup. */
(function () {
  "use strict";

  const bench = (window.densityBench = {});
  const root = document.documentElement;
  root.classList.add("scripted");

  /* Theme: the system's until the reader chooses; kept where the browser allows it. */

  const THEME = "density-bench-theme";
  const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");

  function keptTheme() {
    try {
      return window.localStorage.getItem(THEME);
    } catch {
      return null;
    }
  }

  function theme() {
    return root.dataset.theme || (systemIsDark.matches ? "dark" : "light");
  }

  function chooseTheme(name) {
    root.dataset.theme = name;
    try {
      window.localStorage.setItem(THEME, name);
    } catch {
      /* Pages from disk may have no storage: the choice holds for this page. */
    }
  }

  if (["dark", "light"].includes(keptTheme())) root.dataset.theme = keptTheme();

  function startTheme() {
    const button = document.getElementById("theme");
    const tell = () => {
      button.textContent = theme() === "dark" ? "Light theme" : "Dark theme";
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      chooseTheme(theme() === "dark" ? "light" : "dark");
      tell();
    });
    systemIsDark.addEventListener("change", tell);
    tell();
  }

  /* Scripts that are loaded when they are first needed. */

  const loading = new Map();

  function load(address, deliver) {
    if (!loading.has(address)) {
      const begun = new Promise((resolve, reject) => {
        deliver(resolve, reject);
        const script = document.createElement("script");
        script.src = address;
        script.onerror = () => reject(new Error(`${address} is not beside this page`));
        document.head.append(script);
      });
      // What failed once is tried again at the next time.
      begun.catch(() => loading.delete(address));
      loading.set(address, begun);
    }
    return loading.get(address);
  }

  /* Tables become sortable when they come near the window, so that long pages open at once. */

  const SEARCHED_ROWS = 8;
  const PAGED_ROWS = 100;

  function withMissingLast(sign) {
    return (first, second) => {
      const [a, b] = [first, second].map((one) => (one === "" ? NaN : Number(one)));
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return sign * (a - b);
    };
  }

  function unpacked(text) {
    const packed = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
  }

  /* The library comes packed; what is in it is run as a script of its own. */
  async function runPacked(text, fail) {
    try {
      const source = await unpacked(text).blob();
      const script = document.createElement("script");
      script.src = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      script.onload = () => URL.revokeObjectURL(script.src);
      script.onerror = () => fail(new Error("the library for tables does not run"));
      document.head.append(script);
    } catch (error) {
      fail(error);
    }
  }

  function library() {
    return load(document.body.dataset.tables, (resolve, reject) => {
      bench.library = (text) => runPacked(text, reject);
      bench.tables = (DataTable) => {
        DataTable.ext.errMode = "throw";
        DataTable.ext.type.order["number-or-missing-asc"] = withMissingLast(1);
        DataTable.ext.type.order["number-or-missing-desc"] = withMissingLast(-1);
        resolve(DataTable);
      };
    });
  }

  function isNumeric(rows, column) {
    return rows.length > 0 && rows.every((row) => row.cells[column].hasAttribute("data-order"));
  }

  function exported(cell) {
    return cell.hasAttribute("data-order") ? cell.dataset.order : cell.textContent.trim();
  }

  function quoted(text) {
    return `"${text.replaceAll('"', '""')}"`;
  }

  async function upgrade(table) {
    if (table.dataset.upgraded) return;
    table.dataset.upgraded = "begun";
    const DataTable = await library();
    const rows = [...table.tBodies[0].rows];
    const names = [...table.querySelectorAll("thead th[data-name]")].map((one) => one.dataset.name);
    const targets = names.map((_, column) => column).filter((column) => isNumeric(rows, column));
    const focused = document.activeElement;
    const made = new DataTable(table, {
      autoWidth: false,
      order: [],
      titleRow: false,
      paging: rows.length > PAGED_ROWS,
      pageLength: PAGED_ROWS,
      searching: rows.length >= SEARCHED_ROWS,
      layout: {
        topStart: null,
        topEnd: null,
        bottomStart: null,
        bottomEnd: rows.length > PAGED_ROWS ? "paging" : null,
      },
      columnDefs: [{ targets, type: "number-or-missing" }],
      buttons: [
        {
          extend: "csv",
          text: "CSV",
          titleAttr: "Save this table with all digits",
          filename: table.dataset.table,
          header: false,
          exportOptions: { format: { body: (_, row, column, cell) => exported(cell) } },
          customize: (lines) => `${names.map(quoted).join(",")}\n${lines}`,
        },
      ],
    });
    // It was taken from its place and put back, and lost the focus by that.
    if (table.contains(focused)) focused.focus({ preventScroll: true });
    const tools = table.closest("article").querySelector(".tools");
    if (rows.length >= SEARCHED_ROWS) {
      const field = document.createElement("input");
      field.type = "search";
      field.placeholder = "Filter rows";
      field.setAttribute("aria-label", "Filter the rows of this table");
      field.addEventListener("input", () => made.search(field.value).draw());
      tools.append(field);
    }
    tools.append(made.buttons().container()[0]);
    table.dataset.upgraded = "done";
  }

  function startTables() {
    const failed = (error) => console.error(error);
    const watch = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting) continue;
          watch.unobserve(target);
          upgrade(target).catch(failed);
        }
      },
      { rootMargin: "500px" },
    );
    document.querySelectorAll("table.comparison[data-table]").forEach((one) => watch.observe(one));
  }

  /* The contents of a page show where the reader is: at the last part that begins above a line. */

  const READING_LINE = 100;

  function startContents() {
    const contents = document.querySelector(".contents");
    if (!contents) return;
    const narrow = window.matchMedia("(max-width: 62rem)");
    const fold = () => {
      contents.open = !narrow.matches;
    };
    narrow.addEventListener("change", fold);
    fold();
    const parts = [...contents.querySelectorAll("a")].map((link) => {
      return { link, target: document.getElementById(link.hash.slice(1)) };
    });
    let current = null;
    const tell = () => {
      const page = document.scrollingElement;
      const atEnd = page.scrollTop > 0 && page.scrollTop + window.innerHeight >= page.scrollHeight - 2;
      const begun = parts.filter(({ target }) => target.getBoundingClientRect().top <= READING_LINE);
      const part = (atEnd ? parts : begun).at(-1);
      if (current === part) return;
      if (current) current.link.removeAttribute("aria-current");
      current = part;
      if (!current) return;
      current.link.setAttribute("aria-current", "true");
      const overflows = contents.scrollHeight > contents.clientHeight && !narrow.matches;
      if (overflows) contents.scrollTop = current.link.offsetTop - contents.clientHeight / 2;
    };
    let waits = false;
    const tellSoon = () => {
      if (waits) return;
      waits = true;
      window.requestAnimationFrame(() => {
        waits = false;
        tell();
      });
    };
    window.addEventListener("scroll", tellSoon, { passive: true });
    // Parts of the page grow when tables and images come, or something is unfolded.
    new ResizeObserver(tellSoon).observe(document.body);
    contents.addEventListener("click", (event) => {
      if (narrow.matches && event.target.closest("a")) contents.open = false;
    });
  }

  /* A place inside of something folded is unfolded when an address leads to it. */

  function addressed() {
    const name = window.location.hash.slice(1);
    try {
      return decodeURIComponent(name);
    } catch {
      return name;
    }
  }

  function unfold() {
    const target = document.getElementById(addressed());
    let folded = target && target.closest("details:not([open])");
    if (!folded) return;
    for (; folded; folded = target.closest("details:not([open])")) folded.open = true;
    target.scrollIntoView();
  }

  /* Where a number comes from. */

  function origins() {
    return load(document.body.dataset.provenance, (resolve) => {
      bench.provenance = (text) => resolve(unpacked(text).json());
    });
  }

  function element(name, ...content) {
    const made = document.createElement(name);
    made.append(...content.filter((one) => one !== null && one !== undefined && one !== ""));
    return made;
  }

  function code(text) {
    return text === null || text === undefined || text === "" ? null : element("code", String(text));
  }

  function words(name) {
    return name.replaceAll("_", " ");
  }

  function values(mapping) {
    return Object.entries(mapping)
      .map(([name, value]) => `${words(name)} ${typeof value === "object" ? JSON.stringify(value) : value}`)
      .join(", ");
  }

  function bytes(count) {
    if (count === null || count === undefined) return null;
    const units = ["B", "kB", "MB", "GB", "TB"];
    let size = count;
    while (size >= 1000 && units.length > 1) {
      size /= 1000;
      units.shift();
    }
    return `${Number(size.toPrecision(3))} ${units[0]}`;
  }

  function seconds(count) {
    if (count === null || count === undefined) return null;
    if (count < 120) return `${Number(count.toPrecision(3))} s`;
    return count < 7200 ? `${(count / 60).toFixed(0)} min` : `${(count / 3600).toFixed(1)} h`;
  }

  function moment(text) {
    return text && `${text.slice(0, 19).replace("T", " ")} UTC`;
  }

  function joined(parts, separator = ", ") {
    return parts.filter((one) => one !== null && one !== undefined && one !== "").join(separator);
  }

  function list(facts) {
    const made = document.createElement("dl");
    for (const [term, ...told] of facts) {
      const content = told.filter((one) => one !== null && one !== undefined && one !== "");
      if (!content.length) continue;
      const definition = document.createElement("dd");
      content.forEach((one, place) => definition.append(...(place ? [" ", one] : [one])));
      made.append(element("dt", term), definition);
    }
    return made;
  }

  function part(title, facts) {
    const made = list(facts);
    return made.childElementCount ? [element("h4", title), made] : [];
  }

  function copyButton(text) {
    const button = element("button", "Copy");
    button.type = "button";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const field = document.createElement("textarea");
        field.value = text;
        button.after(field);
        field.select();
        document.execCommand("copy");
        field.remove();
        button.focus();
      }
      button.textContent = "Copied";
    });
    return button;
  }

  function commandsPart(study, commands) {
    if (!commands) return [];
    const heading = element("h4", "Make it again");
    if (commands.reason) return [heading, element("p", commands.reason)];
    const shared = commands.shared === null ? [] : study.commands[commands.shared];
    const text = [...shared, ...commands.own].join("\n");
    const box = element("div", element("pre", text), copyButton(text));
    box.className = "commands";
    return [heading, box];
  }

  function commitFacts(study, made) {
    const one = made && study.commits[made.commit];
    if (!one) return [];
    const changes = one.dirty
      ? `with ${one.file_count} uncommitted ${one.file_count === 1 ? "change" : "changes"}`
      : "no uncommitted changes";
    return [
      ["Commit", code(one.commit) || one.reason, one.commit ? `(${changes})` : null],
      ["Uncommitted", one.dirty ? joined(one.files) : null],
      ["Their copy", code(one.copy)],
    ];
  }

  const SURROUNDINGS = ["commit", "environment", "machine", "threads"];

  function placeFacts(study, made) {
    const machine = study.machines[made.machine];
    const environment = study.environments[made.environment];
    return [
      ...commitFacts(study, made),
      [
        "Machine",
        machine && joined([machine.host, machine.cpu, machine.cores && `${machine.cores} cores`]),
      ],
      ["GPU", machine && (machine.gpu || "none")],
      ["Threads", made.threads],
      [
        "Environment",
        environment &&
          joined([
            environment.python && `Python ${environment.python}`,
            environment.torch && `torch ${environment.torch}`,
            environment.platform,
          ]),
      ],
      [
        "Lock file",
        environment && environment.lock,
        environment && environment.lock_sha256 && element("span", "sha256 ", code(environment.lock_sha256)),
      ],
    ];
  }

  /* What is as it was for the run is not told twice. */
  function circumstancesFacts(study, made, run) {
    if (!made) return [];
    const written = study.codes[made.code];
    const same = run && SURROUNDINGS.every((name) => made[name] === run[name]);
    return [
      [
        "Code digest",
        written && code(written.digest),
        written && `(${written.modules} modules)`,
        written && written.counts_as && element("span", "accepted as ", code(written.counts_as)),
      ],
      ...(same ? [["Commit, machine, environment", "those of the run"]] : placeFacts(study, made)),
      ["SLURM", made.slurm && values(made.slurm)],
      ["Attempt", made.attempt > 1 ? made.attempt : null],
      ["Time", joined([moment(made.started), moment(made.ended)], " to "), made.seconds ? `(${seconds(made.seconds)})` : null],
      [
        "Peak memory",
        joined([
          made.peak_host_bytes && `host ${bytes(made.peak_host_bytes)}`,
          made.peak_device_bytes && `device ${bytes(made.peak_device_bytes)}`,
        ]),
      ],
    ];
  }

  function runFacts(study, run) {
    const checkpoint = run.checkpoint;
    return [
      ["Fingerprint", code(run.fingerprint)],
      ["Record", code(`${run.directory}/run.json`), run.pack && element("span", "in ", code(run.pack)), run.here ? null : "(not here)"],
      ["State", run.state, run.reason && `(${run.reason})`],
      ["Seed", run.seed],
      ["Spec", study.specs[run.spec] && values(study.specs[run.spec])],
      ["Validation bound", run.validation_bound === null ? null : `${run.validation_bound} nats`],
      ["Steps", joined([run.steps, run.best_step === null ? null : `best at ${run.best_step}`])],
      ["Parameters", run.parameters === null ? null : run.parameters.toLocaleString("en")],
      ["Device time", seconds(run.device_seconds), run.device && `on ${run.device}`, run.bank > 1 ? `(${run.bank} runs side by side)` : null],
      [
        "Interruptions",
        run.interruptions.map((one) => joined([one.step === null ? null : `at step ${one.step}`, one.host, moment(one.at)])).join("; "),
      ],
      [
        "Checkpoint",
        checkpoint && code(checkpoint.path),
        checkpoint && element("span", "sha256 ", code(checkpoint.sha256)),
        checkpoint && `(${bytes(checkpoint.bytes)}${checkpoint.kept ? "" : "; not kept"})`,
      ],
      ...circumstancesFacts(study, run.made),
    ];
  }

  function dataFacts(study, key) {
    const one = study.data[key];
    if (!one) return [];
    return [
      ["Data set", joined([one.data_set, one.likelihood])],
      ["Fingerprint", code(key)],
      ["Record", code(one.record), one.here ? null : "(not here)"],
      ["Images", values(one.images)],
      ["Split", one.split_sha256 && element("span", "sha256 ", code(one.split_sha256))],
      ["Published at", one.homepage],
      ["Licence", one.licence],
      ...one.files.map((file) => [
        "Published file",
        file.name,
        file.source && `from ${file.source}`,
        file.digest && element("span", "digest ", code(file.digest)),
      ]),
    ];
  }

  function judgesPart(study, names) {
    if (!names.length) return [];
    const judged = names.map((name) =>
      element("details", element("summary", `Run ${name}`), list(runFacts(study, study.judges[name]))),
    );
    return [element("h4", `Judges of what the winner draws (${names.length})`), ...judged];
  }

  /* What the page says of a cell in its table of sources: a line per seed. */
  function sourcesOf(link) {
    const lines = [];
    let row = document.getElementById(link.hash.slice(1));
    const unit = row && row.closest("table").dataset.unit;
    for (; row && (!lines.length || !row.id); row = row.nextElementSibling) {
      const [seed, value, , , evaluation] = [...row.cells].slice(-5).map((one) => one.textContent.trim());
      const known = !row.querySelector(".none");
      lines.push({ seed: row.dataset.seed || seed, value, known, evaluation, unit });
    }
    return lines;
  }

  function listed(words) {
    return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
  }

  /* How the number follows from those of the seeds. */
  function sumPart(link, lines) {
    const known = lines.filter((one) => one.known);
    if (!link.classList.contains("number") || !known.length) return [];
    const { unit } = known[0];
    const told = known.map(({ value, seed }) => `${value.split(" ± ")[0]} (seed ${seed})`);
    const ofMembers = known.some(({ seed }) => seed.includes(" on "));
    const seeds = new Set(known.map(({ seed }) => seed.split(" on ")[0]));
    const ofSeeds = ofMembers ? "mean over seeds of the means over data sets of" : "mean of";
    const mean = ofMembers && seeds.size === 1 ? "mean over data sets of" : ofSeeds;
    const made = element(
      "p",
      element("strong", `${link.textContent} ${unit}`),
      told.length === 1 ? `, of seed ${known[0].seed} alone` : ` = ${mean} ${listed(told)}`,
    );
    made.className = "sum";
    const lacking = lines.filter((one) => !one.known).map(({ value, seed }) => `seed ${seed} (${value})`);
    return lacking.length ? [made, element("p", `Without a number: ${listed(lacking)}.`)] : [made];
  }

  function ownValue(line) {
    if (!line) return "";
    return line.known ? `${line.value} ${line.unit}; ` : `${line.value}; `;
  }

  function evaluationPart(study, fingerprint, open, line) {
    const one = study.evaluations[fingerprint];
    const section = document.createElement("section");
    section.dataset.evaluation = fingerprint;
    if (!one) {
      section.append(element("p", `Nothing is known here of evaluation ${fingerprint}.`));
      return section;
    }
    const { model, data_set, likelihood, fraction, protocol, stream } = one.axes;
    const axes = [model, data_set, likelihood, `${Number((fraction * 100).toPrecision(10))} %`, protocol, stream];
    const told = `Seed ${one.seed}: ${ownValue(line)}${axes.join(", ")}`;
    const details = element("details", element("summary", told));
    details.open = open;
    const measured = one.measurement;
    const trained = one.run && one.run.made;
    details.append(
      ...part("Evaluation", [
        ["Fingerprint", code(fingerprint)],
        ["Record", code(one.record), one.pack && element("span", "in ", code(one.pack))],
        ["State", words(one.state), one.reason && `(${one.reason})`],
        ["Winner of", `${one.candidates} ${one.candidates === 1 ? "candidate" : "candidates"}`],
        ["Chosen", values(one.chosen)],
      ]),
      ...commandsPart(study, one.commands),
      ...(one.run ? part("Run of the winner", runFacts(study, one.run)) : []),
      ...(one.run ? part("Data", dataFacts(study, one.run.data)) : []),
      ...(measured
        ? part("Measurement", [
            ["Fingerprint", code(measured.fingerprint)],
            ["Record", code(`${measured.directory}/measurement.json`), measured.pack && element("span", "in ", code(measured.pack)), measured.here ? null : "(not here)"],
            ["Took", seconds(measured.seconds)],
            ["Images", measured.images],
            ...circumstancesFacts(study, measured.made, trained),
          ])
        : []),
      ...part("Choice", circumstancesFacts(study, one.made, trained)),
      ...judgesPart(study, one.judges),
    );
    section.append(details);
    return section;
  }

  function startOrigins() {
    const dialog = document.getElementById("provenance");
    if (!dialog) return;
    const body = dialog.querySelector(".origins");
    let opener = null;

    async function show(link) {
      opener = link;
      body.replaceChildren(element("p", "Reading where it comes from …"));
      document.getElementById("provenance-title").textContent = `Where ${link.classList.contains("number") ? link.textContent : "this cell"} comes from`;
      dialog.showModal();
      body.focus();
      try {
        const study = await origins();
        const names = link.dataset.evaluations.split(" ");
        const lines = sourcesOf(link);
        const made = names.map((name, place) => {
          const line = lines.find(({ evaluation }) => evaluation === name);
          return evaluationPart(study, name, place === 0, line);
        });
        const row = element("a", "Its rows in the table of all origins");
        row.href = link.getAttribute("href");
        row.addEventListener("click", () => {
          opener = null;
          dialog.close();
        });
        body.replaceChildren(...sumPart(link, lines), ...made, element("p", row));
        body.scrollTop = 0;
      } catch (error) {
        body.replaceChildren(element("p", String(error.message || error)));
      }
    }

    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-evaluations]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      show(link);
    });
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("close", () => {
      if (opener) opener.focus();
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    startTheme();
    startTables();
    startContents();
    startOrigins();
    unfold();
    window.addEventListener("hashchange", unfold);
  });
})();
