namespace Kvasir.Evaluation.Reporting;

/// <summary>How a policy family is told from others: a colour that the colour-blind can tell, and a marker for prints in grey.</summary>
internal sealed class SeriesLook
{
    // Light paper first, dark paper second; after Okabe and Ito, with what is too pale on white made darker.
    private static readonly (string Light, string Dark)[] Colours =
    [
        ("#0072b2", "#4aa8e8"), ("#d55e00", "#ff8a47"), ("#009e73", "#2fc79b"), ("#b2589a", "#e39ac8"), ("#c98a00", "#f2b632"),
        ("#3d9bd6", "#97d4f7"), ("#882255", "#dd6f9f"), ("#7d7d17", "#c9c95a"), ("#5b4fb3", "#a49cf0"), ("#6b6f75", "#b3b9c0"),
    ];

    // In units of the marker's radius, about its middle.
    private static readonly string[] Markers =
    [
        "M-1,0A1,1 0 1 0 1,0A1,1 0 1 0 -1,0Z",
        "M-.9,-.9H.9V.9H-.9Z",
        "M0,-1.2L1.15,.85H-1.15Z",
        "M0,-1.3L1.1,0L0,1.3L-1.1,0Z",
        "M0,1.2L1.15,-.85H-1.15Z",
        "M-.4,-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
        "M-1.2,0L.85,-1.15V1.15Z",
        "M0,-1.2L1.14,-.37L.71,.97H-.71L-1.14,-.37Z",
        "M1.2,0L-.85,-1.15V1.15Z",
        "M-.55,-1.1L0,-.55L.55,-1.1L1.1,-.55L.55,0L1.1,.55L.55,1.1L0,.55L-.55,1.1L-1.1,.55L-.55,0L-1.1,-.55Z",
        "M0,-1.3L.35,-.4L1.25,-.4L.55,.15L.8,1.05L0,.5L-.8,1.05L-.55,.15L-1.25,-.4L-.35,-.4Z",
    ];

    private readonly int _index;

    private SeriesLook(string family, int index)
    {
        (Family, _index) = (family, index);
    }

    public string Family { get; }

    /// <summary>Of the elements that show the family; the style makes it a colour.</summary>
    public string Class => $"series c{_index % Colours.Length}";

    /// <summary>A look for every family but dense attention, which has the colour of text.</summary>
    public static IReadOnlyDictionary<string, SeriesLook> Of(IEnumerable<string> families) =>
        families.Where(static family => family != Results.PairedDifference.Dense).Distinct()
            .Select(static (family, index) => new SeriesLook(family, index)).ToDictionary(static look => look.Family);

    /// <summary>The colours as a style.</summary>
    public static string Style(bool isDark) => string.Join(' ', Colours.Select((colour, i) => $".c{i} {{ color: {(isDark ? colour.Dark : colour.Light)}; }}"));

    public void Marker(Markup page, double x, double y, string? title)
    {
        page.Open(
            "path", ("d", Markers[_index % Markers.Length]), ("transform", $"translate({Markup.Number(x)} {Markup.Number(y)}) scale(4.6)"), ("class", "mark"));
        if (title is not null)
            page.Element("title", title);
        page.Close();
    }

    /// <summary>A short line with a marker, for legends: 28 wide, about y.</summary>
    public void Sample(Markup page, double x, double y)
    {
        page.Empty("path", ("class", "curve"), ("d", $"M{Markup.Number(x)},{Markup.Number(y)}h28"));
        Marker(page, x + 14, y, null);
    }
}
