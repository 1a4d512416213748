using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>An evaluation as one page that stands alone: pictures, tables, and how each point is made again. It is readable without its script.</summary>
public static class EvaluationPage
{
    private static readonly string Style = $$"""
        body { max-width: 1180px; } h3 { font-size: 1em; margin: 1.4em 0 0.4em; }
        {{SeriesLook.Style(isDark: false)}}
        @media (prefers-color-scheme: dark) { {{SeriesLook.Style(isDark: true)}} }
        @media print { {{SeriesLook.Style(isDark: false)}} .wide { overflow: visible; } body { max-width: none; font-size: 11px; } }
        .settings td { text-align: left; overflow-wrap: anywhere; } .settings td:first-child { white-space: nowrap; font-weight: 600; }
        .settings tr:first-child { display: none; }
        .legend { display: flex; flex-wrap: wrap; gap: 0.3em 0.5em; margin: 0.6em 0; padding: 0; list-style: none; }
        .legend button {
            display: flex; align-items: center; gap: 0.4em; font: inherit; font-size: 0.9em; color: inherit; background: none;
            border: 1px solid var(--faint); border-radius: 5px; padding: 0.1em 0.6em; cursor: pointer;
        }
        .legend button[aria-pressed="false"] { opacity: 0.4; text-decoration: line-through; } .off { display: none; }
        .legend svg { width: 28px; height: 16px; flex: none; }
        .plots figure { flex: 1 1 420px; max-width: 560px; } .plots svg { width: 100%; } figure svg { display: block; }
        .maps figure { max-width: 100%; box-sizing: border-box; } figcaption { overflow-wrap: anywhere; }
        .wide { overflow-x: auto; margin: 1em 0; } .wide table { margin: 0; font-size: 0.85em; line-height: 1.35; }
        .wide th, .wide td { padding: 0.2em 0.55em; vertical-align: top; white-space: nowrap; }
        .wide th { vertical-align: bottom; } .wide thead th.head { white-space: normal; font-size: 0.92em; line-height: 1.15; }
        .wide th.name { text-align: left; } .wide tbody th.name { font-weight: 500; }
        .wide tbody th.name { vertical-align: top; white-space: normal; overflow-wrap: break-word; min-width: 9em; max-width: 19em; }
        .matrix th.name:first-child { position: sticky; left: 0; background: var(--paper); }
        .wide .matrix { font-size: 0.8em; } .wide .matrix th, .wide .matrix td { padding: 0.25em 0.38em; }
        .matrix small { display: block; opacity: 0.85; font-size: 0.84em; }
        tr.first th, tr.first td { border-top: 2px solid var(--ink); } caption { font-size: 1.05em; }
        td.worse { background: rgba(213, 94, 0, 0.2); } td.better { background: rgba(0, 114, 178, 0.2); }
        .worse.key, .better.key { padding: 0 0.4em; border-radius: 3px; }
        .worse.key { background: rgba(213, 94, 0, 0.2); } .better.key { background: rgba(0, 114, 178, 0.2); }
        code { font: 0.88em/1.45 ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
        .commands td { text-align: left; vertical-align: top; overflow-wrap: anywhere; } .commands th { text-align: left; }
        .commands td:first-child { min-width: 8em; max-width: 18em; }
        .tip {
            position: fixed; z-index: 2; max-width: 26em; padding: 0.3em 0.6em; border-radius: 4px; background: var(--ink); color: var(--paper);
            font-size: 0.82em; line-height: 1.35; pointer-events: none; overflow-wrap: anywhere;
        }
        .note { max-width: 52em; }
        """;

    public static void Write(EvaluationDocument document, TextWriter output)
    {
        var (samples, settings) = (document.Samples, document.Settings);
        using var page = Markup.Page(output);
        PageStyle.Open(page, $"Evaluation of {settings.Model}", Style);
        PageSections.Settings(page, document);
        if (samples.Count == 0)
            page.Element("p", "No sample has been evaluated yet.", ("class", "note"));
        else
            Sections(page, document);
        page.Element("script", PageScript.Text);
        page.Close();
        page.Close();
    }

    private static void Sections(Markup page, EvaluationDocument document)
    {
        var (overall, points) = (Ordered(document.Overall), Ordered(document.Tasks));
        PageSections.HowToRead(page, overall);
        PageSections.Plots(page, "Quality against keys read", overall, CostFigure.KeysRead);
        PageSections.Overview(page, overall);
        PageSections.Plots(page, "Quality against time", overall, CostFigure.Time);
        PageSections.Plots(page, "Quality against bytes", overall, CostFigure.Bytes);
        PageSections.Tasks(page, points, overall);
        PageSections.Needles(page, document.Samples);
        PageSections.Layers(page, overall);
        PageSections.Commands(page, overall, document.Settings);
    }

    // Protocols apart, then by length; the rest as it came.
    private static EvaluationPoint[] Ordered(IReadOnlyList<EvaluationPoint> points)
    {
        var tasks = points.Select(static point => point.Task).Distinct().Select(static (task, index) => (task, index))
            .ToDictionary(static at => at.task ?? "", static at => at.index);
        return [.. points.OrderBy(static point => point.Protocol).ThenBy(point => tasks[point.Task ?? ""]).ThenBy(static point => point.Context)];
    }
}
