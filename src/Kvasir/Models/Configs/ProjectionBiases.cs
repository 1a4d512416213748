namespace Kvasir.Models.Configs;

/// <summary>Which of attention's projections have a bias.</summary>
[Flags]
public enum ProjectionBiases
{
    None = 0,
    Query = 1,
    Key = 2,
    Value = 4,

    /// <summary>As whole families have them; files may have any by itself.</summary>
    All = Query | Key | Value,
}
