namespace Kvasir;

/// <summary>Whether keys and values on file are read before a layer asks for them.</summary>
public enum PageAhead
{
    /// <summary>Where the last step found so many missing that it pays.</summary>
    Auto,

    /// <summary>Always.</summary>
    On,

    /// <summary>Never.</summary>
    Off,
}
