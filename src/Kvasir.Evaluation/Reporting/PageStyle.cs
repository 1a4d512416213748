namespace Kvasir.Evaluation.Reporting;

/// <summary>How all pages and drawings look: nothing from elsewhere.</summary>
internal static class PageStyle
{
    /// <summary>The colours of light paper.</summary>
    public const string Light = ":root { --ink: #1c1e21; --faint: #d9dce0; --paper: #ffffff; --panel: #f5f6f8; }";

    /// <summary>What is inside an SVG.</summary>
    public const string Drawing = """
        svg text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--ink); }
        .grid { stroke: var(--faint); stroke-width: 1; }
        svg text.title { font-size: 16px; font-weight: 600; } svg text.name { font-size: 13px; font-weight: 600; } svg text.kind { opacity: 0.75; }
        svg text.on-dark { fill: #ffffff; } svg text.on-light { fill: #1c1e21; } .sheet { fill: var(--paper); }
        .series { stroke: currentColor; fill: currentColor; } .series text { stroke: none; } .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
        .whisker { fill: none; stroke-width: 1.2; stroke-opacity: 0.6; } .mark { stroke: var(--paper); stroke-width: 0.22; }
        .dense { stroke: var(--ink); stroke-width: 1.4; stroke-dasharray: 6 4; } .dense-point { fill: var(--ink); stroke: var(--paper); stroke-width: 1; }
        svg text.halo { paint-order: stroke; stroke: var(--back, var(--paper)); stroke-width: 4; stroke-linejoin: round; }
        """;

    private const string Shared = """
        @media (prefers-color-scheme: dark) { :root { --ink: #e4e6ea; --faint: #3a3f46; --paper: #15171a; --panel: #1e2125; } }
        @media print { :root { --ink: #1c1e21; --faint: #d9dce0; --paper: #ffffff; --panel: #ffffff; } }
        :root { color-scheme: light dark; }
        body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 1120px; margin: 2em auto; padding: 0 1em; }
        h1 { font-size: 1.5em; margin-bottom: 0.2em; } h2 { font-size: 1.15em; margin-top: 2em; overflow-wrap: anywhere; }
        table { border-collapse: collapse; margin: 1em 0; } caption { text-align: left; font-weight: 600; padding-bottom: 0.3em; }
        th, td { text-align: right; padding: 0.15em 0.9em; border-bottom: 1px solid var(--faint); font-variant-numeric: tabular-nums; }
        th { font-weight: 600; } .maps { display: flex; flex-wrap: wrap; gap: 1em; }
        figure { --back: var(--panel); margin: 0; padding: 0.7em; background: var(--panel); border-radius: 6px; break-inside: avoid; }
        figcaption { font-weight: 600; font-size: 0.9em; margin-bottom: 0.4em; }
        svg { max-width: 100%; height: auto; } summary { cursor: pointer; margin-top: 0.8em; } .note { max-width: 46em; }
        """;

    /// <summary>Opens a page as far as its first heading; html and body are left open.</summary>
    public static void Open(Markup page, string title, string style)
    {
        page.Open("html", ("lang", "en"));
        page.Open("head");
        page.Empty("meta", ("charset", "utf-8"));
        page.Empty("meta", ("name", "viewport"), ("content", "width=device-width, initial-scale=1"));
        page.Element("title", title);
        page.Element("style", $"{Light}\n{Shared}\n{Drawing}\n{style}");
        page.Close();
        page.Open("body");
        page.Element("h1", title);
    }
}
