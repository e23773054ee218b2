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
  ];
  const numbers = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
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
      cell.textContent = numbers.format(row[key]);
      cell.className = 'bar';
      cell.style.setProperty('--share', `${most > 0 ? (100 * row[key]) / most : 0}%`);
    }
  }

  const hue = (at, of) => `hsl(${Math.round((360 * at) / of)} 60% 50%)`;
  const draw = (place, key, series) => {
    const style = getComputedStyle(document.body);
    const axis = { stroke: style.color, grid: { stroke: 'rgba(128,128,128,.25)' }, ticks: { stroke: 'rgba(128,128,128,.4)' } };
    const values = (plot, ticks) => ticks.map((tick) => Intl.NumberFormat('en', { notation: 'compact' }).format(tick));
    const target = document.getElementById(place);
    new uPlot({
      width: Math.min(target.clientWidth || 960, 1100), height: 340, scales: { x: { time: false } },
      axes: [{ ...axis, values, label: 'steps of the workload' }, { ...axis, values, size: 64 }],
      series: [{ label: 'step' }].concat(series.map((one, at) => ({
        label: one.name, width: one === data.optimum ? 3 : 1.5, dash: one === data.optimum ? [8, 5] : undefined,
        stroke: one === data.optimum ? style.color : hue(at, series.length),
      }))),
    }, [data.steps].concat(series.map((one) => one.curves[key])), target);
  };
  draw('reads', 'swapped_in', rows);
  draw('writes', 'swapped_out', data.generations);
  document.body.dataset.drawn = 'yes';
})();
