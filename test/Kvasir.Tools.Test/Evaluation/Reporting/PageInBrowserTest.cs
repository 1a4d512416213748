using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Results;

namespace Kvasir.Tools.Test.Evaluation.Reporting;

/// <summary>The page as a browser shows it: everything is drawn, nothing lies on something else, the script works.</summary>
[Trait("Needs", "Browser")]
public sealed class PageInBrowserTest : IDisposable
{
    // Boxes of texts are a little higher than what is seen of them.
    private const string Script = """
        var root = document.documentElement;
        var shown = Array.from(document.querySelectorAll('svg')).filter(function (svg) { return !svg.closest('details:not([open])'); });
        var found = { ready: root.dataset.ready, error: root.dataset.error || '', pictures: shown.length, empty: 0, outside: [], overlaps: [], texts: 0, marks: 0, strays: 0 };
        found.width = window.innerWidth;
        found.overflow = root.scrollWidth - root.clientWidth;
        shown.forEach(function (svg) {
          var box = svg.getBoundingClientRect();
          if (!(box.width > 1 && box.height > 1)) found.empty++;
          svg.querySelectorAll('.mark').forEach(function (mark) {
            var at = mark.getBoundingClientRect();
            found.marks++;
            if (!(at.width > 1 && at.left >= box.left - 1 && at.right <= box.right + 1 && at.top >= box.top - 1 && at.bottom <= box.bottom + 1)) found.strays++;
          });
          var texts = Array.from(svg.querySelectorAll('text')).map(function (text) { return { text: text.textContent, box: text.getBoundingClientRect() }; });
          found.texts += texts.length;
          texts.forEach(function (one, i) {
            if (one.box.left < box.left - 1 || one.box.right > box.right + 1 || one.box.top < box.top - 1 || one.box.bottom > box.bottom + 1) found.outside.push(one.text);
            texts.slice(i + 1).forEach(function (other) {
              var across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
              var down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
              if (across > 1 && down > 3) found.overlaps.push(one.text + ' / ' + other.text);
            });
          });
        });
        var mark = document.querySelector('figure .mark'), expected = mark.querySelector('title').textContent;
        mark.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));
        var tip = document.querySelector('.tip');
        found.tip = tip.textContent === expected && tip.getBoundingClientRect().width > 10;
        var family = document.querySelector('button[data-family]').dataset.family;
        function visible() { return Array.from(document.querySelectorAll('g[data-family="' + family + '"]')).filter(function (g) { return g.getBoundingClientRect().width > 0; }).length; }
        found.before = visible();
        document.querySelector('button[data-family]').click();
        found.after = visible();
        document.querySelector('button[data-family]').click();
        found.again = visible();
        tip.hidden = true;
        return found;
        """;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(1280)]
    [InlineData(500)]
    public void EverythingIsDrawnAndNothingOverlaps(int width)
    {
        using var page = new StringWriter();
        EvaluationPage.Write(EvaluationDocument.Of(MadeUpEvaluation.Settings, MadeUpEvaluation.Samples(seed: 3, count: 6), partial: false), page);
        var found = new Browser().Run(page.ToString(), Script, (width, 1000), _folder);
        Assert.Equal(("true", "", width), ($"{found["ready"]}", $"{found["error"]}", (int)found["width"]!));
        Assert.Equal((4 * 6) + 6 + (2 * 20) + (3 * 8), (int)found["pictures"]!);
        // 19 settings in each of 18 plots, fewer near dense, and 24 legend entries.
        Assert.InRange((int)found["marks"]!, (18 * 19) + 24, (24 * 19) + 24);
        Assert.True((int)found["texts"]! > 1000);
        Assert.Equal((0, 0, 0), ((int)found["empty"]!, (int)found["strays"]!, (int)found["overflow"]!));
        Assert.Empty(found["outside"]!.AsArray().Select(static text => text!.ToString()));
        Assert.Empty(found["overlaps"]!.AsArray().Select(static text => text!.ToString()));
        Assert.True((bool)found["tip"]!);
        Assert.Equal((24, 0, 24), ((int)found["before"]!, (int)found["after"]!, (int)found["again"]!));
        Assert.True(new FileInfo(_folder.File("page.png")).Length > 20_000);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void PicturesAreDrawnByThemselves()
    {
        var samples = MadeUpEvaluation.Samples(seed: 4, count: 3);
        var pictures = new[] { ReportPictures.Pareto(samples), ReportPictures.Needle(samples), ReportPictures.Layers(samples) };
        // As a document shows them: an image has no script and no style but its own.
        var images = pictures.Select((picture, i) => $"<img src=\"{new Uri(_folder.Write($"picture-{i}.svg", picture!)).AbsoluteUri}\"/>");
        const string Sizes = "return { images: Array.from(document.querySelectorAll('img')).map(function (image) { return [image.complete, image.naturalWidth, image.naturalHeight]; }) };";
        var found = new Browser().Run($"<!DOCTYPE html><html><body>{string.Concat(images)}</body></html>", Sizes, (1280, 1000), _folder)["images"]!.AsArray();
        Assert.Equal(3, found.Count);
        Assert.All(found, static image => Assert.True((bool)image![0]! && (int)image[1]! > 600 && (int)image[2]! > 400, image.ToJsonString()));
    }
}
