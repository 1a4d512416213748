namespace Kvasir.Evaluation.Reporting;

/// <summary>A drawing of known size that can be put anywhere.</summary>
/// <param name="Draw">Writes elements of SVG whose coordinates begin at 0, 0.</param>
internal sealed record Picture(string Title, double Width, double Height, Action<Markup> Draw)
{
    /// <summary>Writes it into a page with its title above.</summary>
    public void WriteFigure(Markup page)
    {
        page.Open("figure");
        page.Element("figcaption", Title);
        page.Open(
            "svg", ("viewBox", $"0 0 {Markup.Number(Width)} {Markup.Number(Height)}"), ("width", Markup.Number(Width)), ("role", "img"), ("aria-label", Title));
        Draw(page);
        page.Close();
        page.Close();
    }
}
