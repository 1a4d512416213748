using System.Xml.Linq;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Results;
using Kvasir.Tools.Test.Evaluation.Results;

namespace Kvasir.Tools.Test.Evaluation.Reporting;

/// <summary>The page and its pictures, as text.</summary>
public sealed class EvaluationPageTest
{
    private const double Small = 0.01;

    private static readonly EvaluatedSample[] Few =
    [
        HandMade.Of("dense", 0, 1), HandMade.Of("dense", 1, 0.8), HandMade.Of("dense", 2, 0.9),
        HandMade.Of("topk:share=0.1", 0, 0.9, 0.1), HandMade.Of("topk:share=0.1", 1, 0.7, 0.1), HandMade.Of("topk:share=0.1", 2, 0.8, 0.1) with { Depth = null, Loss = 2 },
    ];

    [Fact]
    public void ThePageStandsAloneAndHasEveryPolicy()
    {
        var samples = MadeUpEvaluation.Samples(seed: 5, count: 2);
        var text = Page(samples, MadeUpEvaluation.Settings);
        Assert.StartsWith("<!DOCTYPE html>", text, StringComparison.Ordinal);
        var page = XDocument.Parse(text);
        foreach (var foreign in new[] { "http:", "https:", "<link", "@import", "url(", "src=", "NaN", "Infinity", "∞", "not finite" })
            Assert.DoesNotContain(foreign, text.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal), StringComparison.Ordinal);
        var names = page.Descendants("th").Select(static cell => cell.Value).ToHashSet();
        Assert.All(samples.Select(static sample => sample.Policy).Distinct(), policy => Assert.Contains(policy, names));
        Assert.All(samples.Select(static sample => sample.Task).Distinct(), task => Assert.Contains(task, names));
        // Three costs, near dense once more, lengths and protocols; maps of layers; needles of every policy under both protocols; legends.
        Assert.Equal((4 * 6) + 6 + (2 * 20) + (3 * 8), page.Descendants("svg").Count());
        Assert.All(page.Descendants("figcaption"), caption => Assert.True(caption.Value.StartsWith("protocol ", StringComparison.Ordinal) || names.Contains(caption.Value), caption.Value));
    }

    [Fact]
    public void FiguresAreThoseOfTheSamples()
    {
        var page = XDocument.Parse(Page([.. Few[..4], Few[4] with { Score = 0.69 }, Few[5] with { Score = 0.81 }], HandMade.Settings));
        var rows = page.Descendants("table").First(static table => table.Attribute("class")?.Value == "figures").Descendants("tr").Select(static row => string.Join('|', row.Elements().Select(static cell => cell.Value))).ToArray();
        Assert.Equal(
        [
            "policy|tokens|samples|score|from dense|95% interval|keys read|ms per token|MB per token|perplexity|loss, nats",
            "dense|4k|3|90.0|–|–|100%|5.00|2.00|–|–",
            "topk:share=0.1|4k|3|80.0|−10.0 ± 2.5|[−12.5, −7.5]|10.0%|5.00|0.2000|7.39|2.00",
        ], rows);
        var cell = page.Descendants("td").First(static cell => cell.Value == "−10.0 ± 2.5");
        Assert.Equal("worse", cell.Attribute("class")!.Value);
        Assert.Contains("kvasir eval ruler tiny --samples 2 --attention dense,topk:share=0.1", page.Descendants("code").Select(static code => code.Value));
    }

    [Fact]
    public void PointsStandWhereTheirFiguresSay()
    {
        var plot = Drawing(ReportPictures.Pareto(Few)!);
        // Keys read from 0.1 to 1 on a logarithmic axis, scores from 0.7 to 1 within the whisker-less points' range.
        var mark = Assert.Single(plot.Descendants(Svg + "path"), static path => path.Attribute("class")?.Value == "mark" && path.Element(Svg + "title") is not null);
        Assert.Contains("topk:share=0.1: score 80.0 (−10.0 points from dense) at 10%", mark.Value, StringComparison.Ordinal);
        var place = mark.Attribute("transform")!.Value.Split('(', ')')[1].Split(' ').Select(static text => double.Parse(text, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal(58, place[0], Small);
        var dense = Assert.Single(plot.Descendants(Svg + "circle"));
        Assert.Equal(500 - 24, Number(dense, "cx"), Small);
        var ticks = plot.Descendants(Svg + "text").Where(static text => text.Attribute("text-anchor")?.Value == "end" && double.TryParse(text.Value, out _)).ToArray();
        Assert.Equal(["80", "82", "84", "86", "88", "90"], ticks.Select(static tick => tick.Value));
        // Ticks are written four units below their line.
        Assert.Equal(Number(ticks[0], "y") - 4, place[1], Small);
        Assert.Equal(Number(ticks[^1], "y") - 4, Number(dense, "cy"), Small);
    }

    [Fact]
    public void PicturesAreDocumentsOfTheirOwn()
    {
        var samples = MadeUpEvaluation.Samples(seed: 6, count: 3);
        foreach (var text in new[] { ReportPictures.Pareto(samples), ReportPictures.ParetoNearDense(samples), ReportPictures.Time(samples), ReportPictures.Bytes(samples), ReportPictures.Needle(samples), ReportPictures.Layers(samples) })
        {
            var drawing = Drawing(text!);
            Assert.All(drawing.Descendants(), static element => Assert.Equal(Svg, element.Name.Namespace));
            Assert.Contains("protocol A", drawing.Value, StringComparison.Ordinal);
            Assert.DoesNotContain("NaN", text, StringComparison.Ordinal);
            Assert.Contains(drawing.Elements(Svg + "rect"), static rect => rect.Attribute("class")?.Value == "sheet");
        }

        Assert.Equal(20, Drawing(ReportPictures.Needle(samples)!).Descendants(Svg + "text").Count(static text => text.Attribute("class")?.Value == "name"));
    }

    [Fact]
    public void TextOfAnyKindIsText()
    {
        var samples = Few.Select(static sample => sample with { Policy = sample.Policy.Replace("topk", "</style><script>\0\uD800&\"'", StringComparison.Ordinal), Task = "<b>\u0001", Depth = 0.5 }).ToArray();
        var page = XDocument.Parse(Page(samples, HandMade.Settings));
        Assert.Single(page.Descendants("script"));
        Assert.Empty(page.Descendants("b"));
        Assert.Contains("</style><script>\uFFFD\uFFFD&\"':share=0.1", page.Descendants("th").Select(static cell => cell.Value));
        Assert.Contains("tiny & <small>", page.Descendants("h1").Single().Value, StringComparison.Ordinal);
        Drawing(ReportPictures.Pareto(samples)!);
        Drawing(ReportPictures.Needle(samples)!);
    }

    [Fact]
    public void NothingAndNextToNothingAreShownToo()
    {
        Assert.Contains("No sample has been evaluated yet.", Page([], HandMade.Settings), StringComparison.Ordinal);
        Assert.Null(ReportPictures.Pareto([]));
        Assert.Null(ReportPictures.Needle([]));
        Assert.Null(ReportPictures.Layers([]));
        var unmeasured = HandMade.Of("psa", 0, 1, double.NaN) with { DecodedTokens = 0, BytesPerToken = double.NaN, LayerKeysRead = [double.NaN], Depth = double.NaN, Score = double.NaN };
        EvaluatedSample[][] cases = [[Few[0]], [Few[3]], [Few[0], Few[3]], [HandMade.Of("psa", 0, 0, 0)], [unmeasured], [Few[0], unmeasured], [Few[0] with { Depth = 0.25 }]];
        foreach (var samples in cases)
        {
            var text = Page(samples, HandMade.Settings);
            XDocument.Parse(text);
            Assert.DoesNotContain("NaN", text, StringComparison.Ordinal);
            Assert.DoesNotContain("Infinity", text, StringComparison.Ordinal);
            Assert.Contains(samples[^1].Policy, text, StringComparison.Ordinal);
        }
    }

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private static double Number(XElement element, string attribute) => double.Parse(element.Attribute(attribute)!.Value, System.Globalization.CultureInfo.InvariantCulture);

    private static XElement Drawing(string text)
    {
        var root = XDocument.Parse(text).Root!;
        Assert.Equal(Svg + "svg", root.Name);
        return root;
    }

    private static string Page(IReadOnlyList<EvaluatedSample> samples, EvaluationSettings settings)
    {
        using var output = new StringWriter();
        EvaluationPage.Write(EvaluationDocument.Of(settings, samples, partial: false), output);
        return output.ToString();
    }
}
