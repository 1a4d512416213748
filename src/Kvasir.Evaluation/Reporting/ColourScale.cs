using System.Globalization;

namespace Kvasir.Evaluation.Reporting;

/// <summary>Colours for the values of a range, from dark to light, even in brightness.</summary>
/// <param name="Least">The darkest.</param>
/// <param name="Most">The lightest; what is above looks the same.</param>
/// <param name="IsLog">Whether equal steps of colour are equal factors.</param>
/// <param name="IsWarm">Reds, for what is bad; otherwise from blue over green to yellow.</param>
internal sealed record ColourScale(double Least, double Most, bool IsLog, bool IsWarm)
{
    private const double NearEnd = 0.15;
    private static readonly (int R, int G, int B)[] Cool = [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)];
    private static readonly (int R, int G, int B)[] Warm = [(24, 15, 61), (105, 28, 109), (183, 55, 84), (245, 125, 21), (252, 240, 160)];

    /// <summary>The value at a place from 0 to 1.</summary>
    public double At(double place) => IsLog ? Least * Math.Pow(Most / Least, place) : Least + (place * (Most - Least));

    /// <summary>Places that a legend names, from 0 to 1: ends and middle, or ends and the powers of ten between that are not near them.</summary>
    public IReadOnlyList<double> Marks()
    {
        if (!IsLog || Most <= Least)
            return [0, 0.5, 1];
        var marks = new List<double> { 0 };
        for (var power = Math.Ceiling(Math.Log10(Least)); power < Math.Log10(Most); power++)
        {
            if (Place(Math.Pow(10, power)) is var place and > NearEnd and < 1 - NearEnd)
                marks.Add(place);
        }

        return [.. marks, 1];
    }

    public string Colour(double value)
    {
        var (r, g, b) = Mixed(value);
        return string.Create(CultureInfo.InvariantCulture, $"#{r:x2}{g:x2}{b:x2}");
    }

    /// <summary>Whether white is easier to read on a value's colour than black.</summary>
    public bool IsDark(double value)
    {
        var (r, g, b) = Mixed(value);
        return (0.299 * r) + (0.587 * g) + (0.114 * b) < 130;
    }

    private (int R, int G, int B) Mixed(double value)
    {
        var stops = IsWarm ? Warm : Cool;
        var place = Place(value) * (stops.Length - 1);
        var first = Math.Min((int)place, stops.Length - 2);
        var (a, b, t) = (stops[first], stops[first + 1], place - first);
        return (Mix(a.R, b.R, t), Mix(a.G, b.G, t), Mix(a.B, b.B, t));
    }

    private static int Mix(int a, int b, double t) => (int)Math.Round(a + (t * (b - a)));

    private double Place(double value)
    {
        var place = Most <= Least ? 1 : IsLog ? Math.Log(Math.Max(value, Least) / Least) / Math.Log(Most / Least) : (value - Least) / (Most - Least);
        // What is not a number is as bad as can be.
        return place >= 0 ? Math.Min(place, 1) : place < 0 ? 0 : 1;
    }
}
