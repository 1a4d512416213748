using System.Globalization;

namespace Kvasir.Attention;

/// <summary>An option of a policy with a number.</summary>
/// <param name="Value">Above 0.</param>
public readonly record struct PolicySetting(string Name, double Value)
{
    /// <summary>The number as it is typed.</summary>
    public string Text => Value.ToString(CultureInfo.InvariantCulture);
}
