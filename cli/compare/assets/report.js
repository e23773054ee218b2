// Fills the report from the JSON in it: a table with a bar in each cell, and curves over time.
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const rows = data.generations.concat([data.optimum]);
  const columns = [
    ['swapped_in', 'read from swap'], ['ratio', 'times the optimum'], ['major_faults', 'major faults'],
    ['swapped_out', 'written to swap'], ['writes_saved', 'writes saved'], ['discarded', 'discarded clean'],
    ['scanned', 'entries scanned'], ['tlb_flushes', 'TLB flushes'], ['write_runs', 'runs of writes'],
    ['seek_slots', 'slots sought over'], ['killed', 'processes killed'],
  ].filter(([key]) => rows.some((row) => row[key] > 0));
  const numbers = new Intl.NumberFormat('en');
  const ratios = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const element = (name, text) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const table = document.getElementById('table');
  const head = table.createTHead().insertRow();
  head.append(element('th', 'Linux'));
  for (const [, title] of columns) head.append(element('th', title));
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    if (row === data.optimum) line.className = 'best';
    line.append(element('td', row.name));
    for (const [key] of columns) {
      const cell = line.insertCell();
      if (row[key] === undefined) continue;
      const most = Math.max(...rows.map((other) => other[key] ?? 0));
      cell.textContent = (key === 'ratio' ? ratios : numbers).format(row[key]);
      cell.className = 'bar';
      cell.style.setProperty('--share', `${most > 0 ? (100 * row[key]) / most : 0}%`);
    }
  }

  // A generation has one colour in all charts. Those with generations of pages are dotted.
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const stroke = (one) => {
    if (one === data.optimum) return getComputedStyle(document.body).color;
    const at = data.generations.indexOf(one);
    return `hsl(${Math.round((360 * at) / data.generations.length)} 65% ${dark.matches ? 66 : 40}%)`;
  };
  const dash = (one) => {
    if (one === data.optimum) return [8, 5];
    return one.name.endsWith('-mglru') ? [2, 3] : undefined;
  };
  const compact = new Intl.NumberFormat('en', { notation: 'compact' });
  const width = (target) => Math.max(240, Math.min(target.clientWidth, 1200));
  const draw = (place, key, series) => {
    const line = getComputedStyle(document.body).color;
    const axis = { stroke: line, grid: { stroke: 'rgba(128,128,128,.25)', width: 1 }, ticks: { stroke: 'rgba(128,128,128,.4)', width: 1 } };
    const values = (plot, ticks) => ticks.map((tick) => compact.format(tick));
    const shown = (plot, value) => (value == null ? '' : numbers.format(value));
    const target = document.getElementById(place);
    const plot = new uPlot({
      width: width(target), height: 340, scales: { x: { time: false } },
      cursor: { points: { size: 6 } },
      axes: [{ ...axis, values, label: 'steps of the workload' }, { ...axis, values, size: 56 }],
      series: [{ label: 'step', value: shown }].concat(series.map((one) => ({
        label: one.name, width: one === data.optimum ? 3 : 1.75, dash: dash(one), stroke: stroke(one),
        points: { show: data.steps.length < 2 }, value: shown,
      }))),
      // Without a pointer the legend has the values at the end.
      hooks: { setLegend: [(made) => { if (made.cursor.idx == null) atEnd(made); }] },
    }, [data.steps].concat(series.map((one) => one.curves[key])), target);
    atEnd(plot);
    return [target, plot];
  };
  let inside = false;  // setLegend calls the hook again
  const atEnd = (plot) => {
    if (inside) return;
    inside = true;
    plot.setLegend({ idx: data.steps.length - 1 });
    inside = false;
  };

  let plots = [];
  const drawAll = () => {
    for (const [, plot] of plots) plot.destroy();
    plots = [draw('reads', 'swapped_in', rows), draw('writes', 'swapped_out', data.generations)];
  };
  drawAll();
  dark.addEventListener('change', drawAll);
  addEventListener('resize', () => {
    for (const [target, plot] of plots) plot.setSize({ width: width(target), height: 340 });
  });
  document.body.dataset.drawn = 'yes';
})();
