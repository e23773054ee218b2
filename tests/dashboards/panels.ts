// What a dashboard of ours may consist of, in terms of Grafana's own types: everything they allow,
// for the kinds of panels that we use, and nothing else. schema.py has each dashboard checked as a
// literal, so that a word which is not there is an error too.
import type * as common from '@grafana/schema';
import type * as raw from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';
import type * as barGauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as timeSeries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// A type as it stands in JSON: enums are their values.
type Json<T> =
  T extends string ? (string extends T ? string : `${T}`)
  : T extends number | boolean | null | undefined ? T
  : T extends (infer Item)[] ? Json<Item>[]
  : T extends object ? { [Key in keyof T]: Json<T[Key]> }
  : T;

// The queries of the Prometheus data source, whose types are not in @grafana/schema.
interface PrometheusQuery {
  datasource: { type: 'prometheus'; uid: '${datasource}' };
  editorMode: 'code';
  expr: string;
  format?: 'table' | 'heatmap' | 'time_series';
  instant?: boolean;
  legendFormat: string;
  range?: boolean;
  refId: string;
}

type Transformation =
  | { id: 'merge'; options: {} }
  | {
      id: 'organize';
      options: {
        excludeByName: Record<string, boolean>;
        indexByName: Record<string, number>;
        renameByName: Record<string, string>;
      };
    }
  | {
      id: 'groupingToMatrix';
      options: { columnField: string; rowField: string; valueField: string; emptyValue: 'zero' };
    };

type Field<Custom> = Omit<raw.FieldConfig, 'custom'> & { custom: Custom };

type PanelOf<Type, Options, FieldDefaults> = Omit<
  raw.Panel,
  'type' | 'options' | 'fieldConfig' | 'targets' | 'transformations'
> & {
  type: Type;
  title: string;
  description: string;
  gridPos: raw.GridPos;
  options: Options;
  fieldConfig: Omit<raw.FieldConfigSource, 'defaults'> & { defaults: FieldDefaults };
  targets: PrometheusQuery[];
  transformations?: Transformation[];
};

type NoCustom = Omit<raw.FieldConfig, 'custom'>;

export type Panels = {
  bargauge: Json<PanelOf<'bargauge', barGauge.Options, NoCustom>>;
  heatmap: Json<PanelOf<'heatmap', heatmap.Options, Field<heatmap.FieldConfig>>>;
  row: Json<raw.RowPanel>;
  stat: Json<PanelOf<'stat', stat.Options, NoCustom>>;
  table: Json<PanelOf<'table', common.TableOptions, Field<common.TableFieldOptions>>>;
  timeseries: Json<PanelOf<'timeseries', timeSeries.Options, Field<common.GraphFieldConfig>>>;
};

interface PrometheusVariable {
  definition?: string;
}

interface PrometheusAnnotation {
  target: { expr: string; refId: string; interval?: string };
  textFormat: string;
  titleFormat: string;
}

export type Frame = Json<
  Omit<raw.Dashboard, 'panels' | 'templating' | 'annotations'> & {
    annotations: { list: (Omit<raw.AnnotationQuery, 'target'> & PrometheusAnnotation)[] };
    templating: { list: (raw.VariableModel & PrometheusVariable)[] };
  }
>;
