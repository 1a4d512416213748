namespace Kvasir.Models.Configs;

/// <summary>How queries grow with their positions: each is multiplied by 1 + Slope ln(1 + floor(position / Tokens)).</summary>
/// <param name="Slope">Not 0.</param>
/// <param name="Tokens">Positions of a step, at least 1.</param>
public sealed record QueryTemperature(double Slope, int Tokens)
{
    /// <summary>What a query at <paramref name="position"/> is multiplied by.</summary>
    public float At(int position) => (float)(1 + (Slope * Math.Log(1 + (position / Tokens))));
}
